"""The application: routes, start and end, server processes, warm-up.

May import: everything below it.
"""
