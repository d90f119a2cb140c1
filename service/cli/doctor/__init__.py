"""The command ``lazytile doctor``: checks of an installation and of what a server would need.

May import: colormaps.core, pyramid.core, pyramid.storage, pyramid.kernel, pyramid.engines, pyramid.store,
pyramid.linked, http, tiles, app, cli.options.
"""
