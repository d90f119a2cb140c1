"""The store over HTTP: the Zarr of each dataset, read-only, for programs that compute or draw themselves.

May import: pyramid.core, pyramid.storage, pyramid.chunks, pyramid.store, http, admission, protocol.
"""
