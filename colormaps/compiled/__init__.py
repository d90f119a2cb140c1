"""Colormaps compiled to an exact lookup from values to palette indices.

May import: core, synthesis.
"""
