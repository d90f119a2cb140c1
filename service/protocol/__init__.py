"""What every protocol shares: the application's context, the middleware, written addresses, the response with a tile.

May import: colormaps.library, pyramid.core, pyramid.store, pyramid.times, pyramid.render, pyramid.catalog, http,
tiles.
"""
