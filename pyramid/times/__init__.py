"""Calendars, time axes, and selecting a step of a dimension by its label.

May import: core, store.
"""
