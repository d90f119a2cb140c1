"""What the documents of the OGC APIs share: links, JSON and HTML responses, problem responses.

Documents are JSON (OGC 19-072, requirements class JSON). The HTML page is made from the same document, so both have the
same content.
"""

from __future__ import annotations

import functools
import hashlib
import html
import json
from typing import TYPE_CHECKING, Any

from lazytile.service.http.errors import failure_of, parameter_at_fault
from lazytile.service.http.json_document import JSON, JsonDocument, json_bytes
from lazytile.service.http.problems import PROBLEM_TYPE, problem_document
from lazytile.service.http.reply import text_response

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from aiohttp import web

    Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

HTML = "text/html"
DOCUMENT_TYPES = {"json": JSON, "html": HTML}
"""Media types of documents by the value of ``f``, the preferred one first."""

_PATH_FIELDS = frozenset({
    "layer", "style", "tilematrixset", "tilematrix", "tilerow", "tilecol", "request", "colormap",
})  # fmt: skip
"""Fields of requests that are part of the path, unless a handler reads them from the query."""


class Link(JsonDocument):
    """A link (OGC 19-072, requirements class JSON; RFC 8288)."""

    href: str
    rel: str
    type: str
    title: str | None = None
    templated: bool | None = None
    """True if ``href`` is a URI template (OGC 20-057, /req/tileset/description)."""


def link(href: str, rel: str, media_type: str = JSON, title: str = "", *, templated: bool = False) -> Link:
    """Return a link.

    Args:
        href: Where it leads, a URI template if ``templated``.
        rel: The relation, registered by the IANA or a URI of the OGC.
        media_type: Of the target.
        title: For people; left out when empty.
        templated: Whether clients fill in parts of ``href``.

    Returns:
        The link.
    """
    return Link(href=href, rel=rel, type=media_type, title=title or None, templated=templated or None)


def with_problem_responses(handler: Handler, in_query: frozenset[str] = frozenset()) -> Handler:
    """Return a handler whose exceptions become problem documents (RFC 9457).

    An unknown resource in the path is 404, an invalid query parameter 400.

    Args:
        handler: The handler to wrap.
        in_query: Fields that this handler reads from the query and others from the path, such as ``style``.

    Returns:
        The wrapped handler.
    """

    @functools.wraps(handler)
    async def wrapped(request: web.Request) -> web.StreamResponse:
        try:
            return await handler(request)
        except Exception as error:  # noqa: BLE001 - the only place where exceptions become problem documents
            return problem_response(request, error, in_query)

    return wrapped


def problem_response(request: web.Request, error: Exception, in_query: frozenset[str]) -> web.Response:
    """Return the response to a request that failed.

    Args:
        request: The request.
        error: The exception.
        in_query: Fields that the handler reads from the query and others from the path.

    Returns:
        The response with a problem document.
    """
    parameter = parameter_at_fault(error)
    in_path = parameter is None or parameter.lower() in _PATH_FIELDS - in_query
    failure = failure_of(error, in_path=in_path)
    headers = {"Cache-Control": "no-store", **failure.headers}
    return text_response(request, problem_document(failure), PROBLEM_TYPE, status=failure.status, headers=headers)


def document_response(request: web.Request, document: JsonDocument, chosen_format: str) -> web.Response:
    """Return the response with a document, as JSON or as a plain HTML page, with an entity tag.

    Args:
        request: The request.
        document: What to send.
        chosen_format: A key of ``DOCUMENT_TYPES``.

    Returns:
        The response, 304 if the client has the document.
    """
    if chosen_format == "html":
        body, content_type = html_page(document.members(), request.path.rpartition("/")[2]), f"{HTML}; charset=utf-8"
    else:
        body, content_type = json_bytes(document), JSON
    headers = {"Cache-Control": "no-cache", "Vary": "Accept, Accept-Encoding"}
    return text_response(request, body, content_type, digest=hashlib.sha256(body).hexdigest(), headers=headers)


def html_page(members: dict[str, Any], name: str) -> bytes:
    """Return a document as a page: its links, those of its members, and all of it as text.

    Args:
        members: The members of the document.
        name: The title of the page if the document has neither a title nor an identifier.

    Returns:
        The page, in UTF-8.
    """
    title = html.escape(str(members.get("title") or members.get("id") or name))
    parts = [
        '<!doctype html>\n<html lang="en"><meta charset="utf-8">',
        f"<title>{title}</title>\n<h1>{title}</h1>",
    ]
    if isinstance(members.get("description"), str):
        parts.append(f"<p>{html.escape(members['description'])}</p>")
    parts.append(_list(members.get("links", [])))
    for member, entries in members.items():
        if isinstance(entries, list) and member != "links":
            parts.extend(
                f"<h2>{html.escape(str(entry.get('title') or entry.get('id') or member))}</h2>\n{_list(entry['links'])}"
                for entry in entries
                if isinstance(entry, dict) and "links" in entry
            )
    parts.append(f"<details><summary>JSON</summary><pre>{html.escape(json.dumps(members, indent=2))}</pre></details>")
    return "\n".join([*parts, "</html>\n"]).encode()


def _list(links: list[dict[str, Any]]) -> str:
    rows = []
    for each in links:
        href, text = html.escape(each["href"]), html.escape(each.get("title") or each["rel"].rpartition("/")[2])
        shown = f"{text}: <code>{href}</code>" if each.get("templated") else f'<a href="{href}">{text}</a>'
        rows.append(f"<li>{shown} <small>{html.escape(each['type'])}</small></li>")
    return f"<ul>{''.join(rows)}</ul>"
