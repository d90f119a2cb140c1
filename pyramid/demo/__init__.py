"""The demo's data: a synthetic sea surface temperature shaped and packed like GHRSST MUR L4.

May import: core.
"""
