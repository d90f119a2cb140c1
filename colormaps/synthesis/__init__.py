"""Colormaps made in code: ramps, stops, classes of CF flags, defaults, and rescaling.

May import: core.
"""
