"""Numbers instead of pictures: statistics of a region, the value at a point, its course through time.

May import: core, tiling, store.
"""
