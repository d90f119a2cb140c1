"""Statistics, point values and time series over HTTP.

May import: pyramid.core, pyramid.store, pyramid.times, pyramid.render, pyramid.numbers, pyramid.catalog, http,
protocol.
"""
