"""The foundation: exceptions, array backends, caches with a byte limit, locks, grids and packing.

May import: colormaps.core.
"""
