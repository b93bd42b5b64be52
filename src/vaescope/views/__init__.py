"""What one sees: figures and the report."""
