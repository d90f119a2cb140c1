"""Streams of results: work runs ahead of its turn, what it made follows in order, and idle threads join in.

May import: core.
"""
