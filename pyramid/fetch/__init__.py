"""Downloads: HTTP, credentials, checksums, unpacking, SDAP (NEXUS) servers.

May import: core.
"""
