"""Finding a colormap by its name: bundled, the user's own, from the network.

May import: core, synthesis, formats.
"""
