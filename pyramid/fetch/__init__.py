"""Bringing sources to this machine: HTTP, credentials, checksums, unpacking, SDAP servers. Knows no grid.

May import: core.
"""
