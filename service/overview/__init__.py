"""What a map page needs to know of the layers, in one document, and of each layer and style in another.

May import: colormaps.core, colormaps.synthesis, pyramid.core, pyramid.tiling, pyramid.store, pyramid.times,
pyramid.render, pyramid.catalog, http, protocol.
"""
