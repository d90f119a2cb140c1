"""From a tile request to bytes: locate, read, resample, filter, compute, paint, encode. Knows no protocol.

May import: colormaps.core, colormaps.synthesis, colormaps.compiled, colormaps.library, core, tiling, store.
"""
