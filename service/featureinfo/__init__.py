"""What is under a pixel, over HTTP.

May import: pyramid.core, pyramid.render, pyramid.catalog, http, protocol.
"""
