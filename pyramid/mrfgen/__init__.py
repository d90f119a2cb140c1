"""Configurations of OnEarth's mrfgen as descriptions of exports.

May import: core, tiling, store, mrf.
"""
