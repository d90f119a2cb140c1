"""The API for administrators, on a listener of its own: status, reload, what is in the tile cache, and clearing it.

May import: colormaps.core, pyramid.core, http, access, tiles.
"""
