"""What stands between clients and the protocols: access log, names of the server, security headers.

May import: pyramid.core, http.
"""
