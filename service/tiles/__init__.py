"""Tiles for requests: memory, MRF, disk and shared tiers, single flight, engine.

May import: colormaps.core, pyramid.core, pyramid.engines, pyramid.store, pyramid.render, pyramid.numbers,
pyramid.subsets, pyramid.catalog, pyramid.mrf, http, admission, shared_cache, claims.
"""
