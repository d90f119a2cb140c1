"""The horizontal grid of variables, found in their coordinates or made by resampling.

May import: core, store, fetch, sources.cf, sources.overrides, sources.formats.
"""
