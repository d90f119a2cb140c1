"""Readers and writers of colormap files; ``readers`` selects one by suffix.

May import: core, synthesis, compiled.
"""
