"""MRF: written, read, checked, and what OnEarth wants beside it."""
