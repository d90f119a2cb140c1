"""Cells without rows and columns: triangles and other polygons, reduced Gaussian grids, HEALPix.

May import: core, store, fetch, sources.cf, sources.overrides, sources.formats, sources.grids.
"""
