"""The Zarr pyramid on disk: description, layout, chunks, shards, overviews, statistics, publishing, verification.

May import: core, cluster, chunks, engines, tiling, kernel.
"""
