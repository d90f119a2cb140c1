"""WMTS 1.0.0: KVP, REST, capabilities, DescribeDomains.

May import: pyramid.core, pyramid.tiling, pyramid.store, pyramid.times, pyramid.render, pyramid.catalog, http,
protocol, featureinfo, legends.
"""
