"""Claims: of several server processes of one machine, one renders a tile while the others wait for it.

May import: nothing.
"""
