"""Statistics of a region, values at a point, and time series.

May import: core, tiling, store.
"""
