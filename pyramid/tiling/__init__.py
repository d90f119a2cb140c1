"""Tile matrix sets, their registry, and the reprojection of pixel positions.

May import: core.
"""
