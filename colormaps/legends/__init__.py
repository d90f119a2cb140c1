"""Legends: their panels, their layout, and drawing them as SVG and PNG.

May import: core, synthesis.
"""
