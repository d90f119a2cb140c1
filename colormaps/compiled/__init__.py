"""A colormap compiled: from values to palette indices, exactly.

May import: core, synthesis.
"""
