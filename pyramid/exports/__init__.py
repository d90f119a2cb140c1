"""A layer exported to a single file: PMTiles, MBTiles, cloud optimized GeoTIFF.

May import: core, streams, engines, tiling, store, render, mrf, reading.
"""
