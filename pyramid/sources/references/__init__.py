"""Kerchunk's references to parts of other files, and the store of zarr-python that reads through them.

May import: core, fetch.
"""
