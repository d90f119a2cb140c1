"""Meta Raster Format: writing, reading and checking it, and what OnEarth needs beside it.

May import: colormaps.core, colormaps.formats, colormaps.legends, core, engines, tiling, store, render.
"""
