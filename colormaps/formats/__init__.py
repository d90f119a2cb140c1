"""Readers and writers of colormap files. A new format is a module here and a line in ``readers``.

May import: core, synthesis, compiled.
"""
