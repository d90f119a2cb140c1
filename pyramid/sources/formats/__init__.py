"""File formats, each opened as variables with packed numbers; ``container`` registers them.

May import: core, storage, chunks, fetch, sources.cf, sources.overrides, sources.references.
"""
