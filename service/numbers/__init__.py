"""Statistics, point values, time series, and boxes of cells over HTTP.

May import: pyramid.core, pyramid.store, pyramid.times, pyramid.render, pyramid.numbers, pyramid.subsets,
pyramid.catalog, http, admission, protocol.
"""
