"""Options that commands share, and the progress that they show.

May import: colormaps.core, colormaps.library, pyramid.core, pyramid.storage, pyramid.cluster, pyramid.streams,
pyramid.engines, pyramid.cuda, pyramid.tiling, pyramid.store, pyramid.times, pyramid.fetch, pyramid.ingest,
pyramid.render, pyramid.catalog, pyramid.mrf, http, app.
"""
