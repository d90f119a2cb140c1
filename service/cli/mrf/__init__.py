"""The commands ``lazytile mrf``: export a layer as MRF, and check, describe and read MRF files.

May import: colormaps: compiled, formats; pyramid: core, store, render, mrf; cli.options.
"""
