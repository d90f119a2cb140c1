"""The commands ``lazytile colormap``: show, list, fetch and convert colormaps.

May import: colormaps.core, colormaps.synthesis, colormaps.formats, colormaps.legends, colormaps.library, cli.options.
"""
