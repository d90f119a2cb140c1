"""OGC API - Tiles, and the OpenAPI definition of every address.

May import: pyramid.core, pyramid.tiling, pyramid.store, pyramid.times, pyramid.render, pyramid.catalog, http, access,
admission, protocol, legends, numbers, overview, xyz, zarr_http, stac.
"""
