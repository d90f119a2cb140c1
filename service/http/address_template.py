"""Documents that hold the address of the server: made once with a placeholder, completed for each address in use."""

from __future__ import annotations

from html import escape

PLACEHOLDER = "http://base.invalid"
"""Stands for the address in cached XML; no server can have this one (RFC 6761, 6.4)."""


def at_address(template: bytes, base_url: str) -> bytes:
    """Return a document for one address of the server.

    Args:
        template: XML with ``PLACEHOLDER`` where the address belongs, in UTF-8.
        base_url: Address of the server as the client sees it, without a trailing slash.

    Returns:
        The document.
    """
    return template.replace(PLACEHOLDER.encode(), escape(base_url, quote=True).encode())
