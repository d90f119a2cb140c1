"""HTTP tools: settings, errors and status codes, responses, negotiation, proxies, metrics. Knows no tile.

May import: colormaps.core, pyramid.core, pyramid.storage, pyramid.cluster, pyramid.chunks, pyramid.catalog.
"""
