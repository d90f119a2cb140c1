"""Linked datasets: level 0 is read from a source where it is, and only overviews are stored.

May import: colormaps.core, core, storage, cluster, streams, chunks, store, fetch, sources.overrides,
sources.references, sources.formats, sources, ingest.
"""
