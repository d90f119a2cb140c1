"""The stored Zarr pyramid: description, layout, chunks, shards, overviews, statistics, publishing.

May import: core, storage, cluster, streams, tiling, kernel, chunks.
"""
