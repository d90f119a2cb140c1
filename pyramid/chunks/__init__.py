"""Encoded chunks: bounded unpacking, the format of shards, checksums and their tables, the record of damaged ones.

May import: core, storage.
"""
