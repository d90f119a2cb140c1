"""Between clients and protocols: access log, names of the server, page headers, limits and tokens of clients.

May import: pyramid.core, http.
"""
