"""A layer exported to a single file: PMTiles, MBTiles, cloud optimized GeoTIFF.

May import: core, engines, tiling, store, render, mrf, reading.
"""
