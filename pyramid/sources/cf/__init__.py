"""What attributes and coordinates say: packing, times, labels, axes, coordinate reference systems (CF conventions).

May import: core, store.
"""
