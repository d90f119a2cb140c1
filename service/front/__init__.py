"""The front of the request path: a tile of a known address is answered before routing.

May import: pyramid.core, pyramid.render, pyramid.catalog, pyramid.tiling, http, access, catalogue, tiles, protocol.
"""
