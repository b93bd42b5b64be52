"""Model stitching: affine maps between layers, and how much of the loss they recover. Pure."""
