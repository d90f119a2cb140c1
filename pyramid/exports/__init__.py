"""A layer as one file that others read."""
