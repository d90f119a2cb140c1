"""The commands ``lazytile colormap``: show, list, fetch and convert colormaps.

May import: colormaps: core, synthesis, compiled, formats, legends, library.
"""
