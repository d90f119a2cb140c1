"""The inner loop of a tile, from chunks to palette indices or values: NumPy, C++ and CUDA behind one protocol.

May import: colormaps.core, colormaps.synthesis, colormaps.compiled, core, resampling.
"""
