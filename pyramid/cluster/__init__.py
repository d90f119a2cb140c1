"""What the processes of a cluster have in common: places in file systems, versions, values, the share of bulk work.

May import: colormaps.core, core.
"""
