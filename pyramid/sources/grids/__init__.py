"""The grid that variables lie on, found or made by resampling.

May import: core, store, fetch, sources.cf, sources.overrides, sources.formats.
"""
