"""The colormap model, the root of the exception tree, units, and safe reading and writing of files.

May import: nothing of ours.
"""
