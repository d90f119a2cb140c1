"""The gridded variables of a source file, found without reading their data, and the reader of their blocks.

May import: core, store, fetch, sources.cf, sources.overrides, sources.formats, sources.grids, sources.meshes.
"""
