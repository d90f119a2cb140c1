"""The snapshot of datasets and colormaps that requests use, kept current by watching their folders.

May import: colormaps.core, pyramid.core, pyramid.storage, pyramid.store, pyramid.catalog.
"""
