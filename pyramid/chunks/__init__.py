"""Encoded chunks: bounded unpacking, checksums and their tables, the record of damaged ones.

May import: core, storage.
"""
