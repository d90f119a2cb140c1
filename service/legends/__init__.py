"""Legends and colormap documents over HTTP.

May import: colormaps.core, colormaps.formats, colormaps.legends, pyramid.catalog, http, protocol.
"""
