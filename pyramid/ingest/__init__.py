"""From a source to a dataset in the store: convert, append, replace and describe.

May import: core, storage, cluster, chunks, engines, store, fetch, sources.cf, sources.overrides, sources.formats,
sources.
"""
