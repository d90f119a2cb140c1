"""Streams of results: work runs ahead of its turn, and what it made follows in order.

May import: nothing else of ours.
"""
