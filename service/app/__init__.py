"""The application: routes, start-up and shutdown, server processes, cache warm-up.

May import: everything below it.
"""
