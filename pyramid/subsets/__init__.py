"""Boxes of a layer's own cells, as netCDF, GeoTIFF and CSV.

May import: core, storage, tiling, store, times, numbers.
"""
