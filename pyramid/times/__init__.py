"""Calendars and time axes, and which step of a dimension a text means.

May import: core, store.
"""
