"""WMS 1.3.0 and 1.1.1.

May import: colormaps.compiled, colormaps.legends, pyramid.core, pyramid.tiling, pyramid.resampling, pyramid.store,
pyramid.times, pyramid.render, pyramid.catalog, http, protocol, featureinfo, legends.
"""
