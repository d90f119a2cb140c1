"""The HTTP toolkit: settings, errors and their statuses, replies, negotiation, proxies, metrics. Knows no tile.

May import: colormaps.core, pyramid.core.
"""
