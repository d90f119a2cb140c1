"""What CF attributes and coordinates mean: packing, times, labels, axes, coordinate reference systems.

May import: core, store.
"""
