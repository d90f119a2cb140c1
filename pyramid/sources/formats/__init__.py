"""File formats, each opened as variables with packed numbers; ``container`` registers them.

May import: core, fetch, sources.cf, sources.overrides.
"""
