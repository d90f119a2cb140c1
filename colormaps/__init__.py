"""Colormaps: from a physical value to a palette index, a colour and a legend."""
