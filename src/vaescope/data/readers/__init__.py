"""Readers of the official files in the formats their authors chose."""
