"""The CUDA kernel: a GPU's memory, the thread that owns it, and batches of tiles that run there.

May import: colormaps.compiled, core, resampling, kernel.
"""
