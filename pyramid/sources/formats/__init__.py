"""File formats, each opened as variables with numbers as stored; a new one also has a line in ``container``.

May import: core, fetch, sources.cf, sources.overrides.
"""
