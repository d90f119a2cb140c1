"""What programs read of a stored layer: tiles, areas, levels as xarray objects, numbers.

May import: core, storage, tiling, resampling, store, times, render, numbers, catalog, colormaps.library.
"""
