"""What a source file holds that can be put on a map, found without reading its data; and reading its blocks.

May import: core, store, fetch, sources.cf, sources.overrides, sources.formats, sources.grids.
"""
