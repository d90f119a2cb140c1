"""Looking up colormaps by name: the user's own files, bundled files, downloads.

May import: core, synthesis, formats.
"""
