"""File formats, each opened as variables with packed numbers; ``container`` registers them.

May import: core, chunks, fetch, sources.cf, sources.overrides.
"""
