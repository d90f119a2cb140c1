"""The stored pyramid: description, layout, chunks, shards, overviews, statistics; publishing and verifying it.

May import: core, engines, tiling.
"""
