"""Colormaps made here: ramps, stops, classes of CF flags, defaults, and one rescaled to another range.

May import: core.
"""
