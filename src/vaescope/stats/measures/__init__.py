"""Every similarity measure: one file, one class."""
