"""What the models see: images by index, and the factors that made them."""
