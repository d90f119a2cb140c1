"""Which cells each pixel of a block shows, with which weights, and their values in NumPy. Reads no data.

May import: core.
"""
