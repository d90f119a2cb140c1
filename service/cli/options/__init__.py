"""Options that commands share, and the progress that they show.

May import: colormaps: core, library; pyramid: core, engines, store, times, fetch, sources, ingest, render, mrf; http.
"""
