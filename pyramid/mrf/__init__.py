"""Meta Raster Format: writing, reading and verifying it, and OnEarth's configuration files.

May import: colormaps.core, colormaps.formats, colormaps.legends, core, storage, cluster, streams, engines, tiling,
resampling, kernel, store, render.
"""
