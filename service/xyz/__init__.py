"""XYZ tiles and TileJSON.

May import: pyramid.tiling, pyramid.store, pyramid.times, pyramid.render, pyramid.catalog, http, protocol.
"""
