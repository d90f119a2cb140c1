"""What everything stands on: errors, arrays on CPU or GPU, bounded memory, grids and the packing of numbers.

May import: colormaps.core.
"""
