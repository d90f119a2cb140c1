"""Headers that keep browsers from doing more with a response than it is meant for."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

PAGES = frozenset({"text/html", "image/svg+xml", "application/xhtml+xml"})
"""Media types that browsers show as pages, in which scripts could run."""
ALWAYS = {"X-Content-Type-Options": "nosniff"}
"""On every response: its type is what it says."""
_VIEWER = "default-src 'self'; img-src 'self' blob: data:; style-src 'self' 'unsafe-inline'; object-src 'none'"
_DOCUMENT = "default-src 'none'; img-src 'self' data:; style-src 'unsafe-inline'"
_EVERYWHERE = "base-uri 'none'; form-action 'none'"


class PageHeaders:
    """The headers of pages (Content Security Policy Level 3; Referrer Policy)."""

    def __init__(self, frame_ancestors: Sequence[str], images: Sequence[str] = ()) -> None:
        """Make the headers.

        Args:
            frame_ancestors: Sources of the directive ``frame-ancestors``: which pages may show ours in a frame.
            images: Origins from which the viewer may load pictures besides ours.
        """
        viewer = _VIEWER.replace("img-src 'self'", " ".join(("img-src 'self'", *images)))
        ancestors = f"frame-ancestors {' '.join(frame_ancestors) or chr(39) + 'none' + chr(39)}"
        self._viewer, self._document = (
            {
                "Content-Security-Policy": f"{policy}; {_EVERYWHERE}; {ancestors}",
                "Referrer-Policy": "strict-origin-when-cross-origin",
            }
            for policy in (viewer, _DOCUMENT)
        )

    def of(self, content_type: str, *, is_viewer: bool) -> dict[str, str]:
        """Return the headers of a response.

        Args:
            content_type: Its media type, without parameters.
            is_viewer: Whether it belongs to the viewer, which has scripts of its own.

        Returns:
            Headers by name; none for what browsers do not show as a page.
        """
        if content_type not in PAGES:
            return {}
        return self._viewer if is_viewer and content_type == "text/html" else self._document
