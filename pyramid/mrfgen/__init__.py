"""OnEarth's mrfgen: its configurations as exports of layers, and MRFs of the pictures that they name.

May import: colormaps.core, colormaps.formats, core, streams, tiling, store, mrf.
"""
