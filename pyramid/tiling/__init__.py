"""Tile matrix sets, their registry, and the reprojection of pixels.

May import: core.
"""
