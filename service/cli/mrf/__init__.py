"""The commands ``lazytile mrf``: export a layer as MRF, and check, describe and read MRF files.

May import: colormaps.compiled, colormaps.formats, pyramid.core, pyramid.streams, pyramid.tiling, pyramid.render,
pyramid.mrf, pyramid.mrfgen, cli.options.
"""
