"""Verifying that stored datasets are what was written: chunks by checksum, overviews by what they derive from.

May import: core, storage, cluster, engines, chunks, store.
"""
