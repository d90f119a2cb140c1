"""Tiles for requests: memory, disk and MRF tiers, single flight, queue, engine.

May import: pyramid.core, pyramid.engines, pyramid.render, pyramid.numbers, pyramid.mrf, http.
"""
