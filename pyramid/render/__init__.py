"""From a tile request to encoded bytes: locate, read, resample, filter, colour, encode. Knows no protocol.

May import: colormaps.core, colormaps.synthesis, colormaps.compiled, colormaps.library, core, storage, tiling,
resampling, kernel, store.
"""
