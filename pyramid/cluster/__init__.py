"""What the processes of a cluster must have in common: places in the file system, versions, values sent by hash.

May import: colormaps.core, core.
"""
