"""The stored Zarr pyramid: description, layout, chunks, shards, overviews, statistics, publishing, verification.

May import: core, storage, cluster, streams, chunks, engines, tiling, kernel.
"""
