"""What of a model trained on one dataset serves on another."""
