"""Statistics of a region, values at a point, and time series.

May import: core, storage, cluster, tiling, chunks, store.
"""
