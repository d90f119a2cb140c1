"""GetFeatureInfo: the value at a pixel, over HTTP.

May import: pyramid.core, pyramid.store, pyramid.render, pyramid.catalog, http, tiles, protocol.
"""
