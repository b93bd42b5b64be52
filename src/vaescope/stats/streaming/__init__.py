"""CKA of layers that are seen one batch at a time."""
