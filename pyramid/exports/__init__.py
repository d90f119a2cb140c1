"""A layer as one file that others read: PMTiles, MBTiles, cloud optimized GeoTIFF.

May import: core, engines, tiling, store, render, mrf.
"""
