"""What representations are made into: each once, for a family of measures."""
