"""The layers, styles and limits on offer, and resolving the address of a request to a tile request.

May import: colormaps.core, colormaps.synthesis, colormaps.legends, colormaps.library, core, storage, tiling,
resampling, store, times, render.
"""
