"""What all protocols share: application context, middleware, request addresses, tile responses.

May import: colormaps.core, colormaps.synthesis, pyramid.core, pyramid.resampling, pyramid.store,
pyramid.times, pyramid.render, pyramid.catalog, http, access, catalogue, admission, tiles.
"""
