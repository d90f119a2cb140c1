"""Admission of work: classes by cost, slots, queues, turns on the event loop, deadlines, memory.

May import: pyramid.core, pyramid.cluster, pyramid.engines, http.
"""
