"""What is offered, and how a written address becomes a request: limits, styles, options, resolver, pixels.

May import: colormaps.core, colormaps.legends, colormaps.library, core, tiling, store, times, render.
"""
