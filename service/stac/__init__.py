"""STAC 1.1: a catalog of the datasets, each a collection that names its data cube, its projection and its assets.

May import: pyramid.core, pyramid.storage, pyramid.tiling, pyramid.store, pyramid.times, pyramid.render,
pyramid.catalog, http, protocol, zarr_http.
"""
