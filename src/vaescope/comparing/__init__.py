"""Two models, checkpoints or sets of arrays, layer by layer."""
