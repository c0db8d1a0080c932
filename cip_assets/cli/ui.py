"""`cip ui`."""
