"""One operation of the OpenAPI definition, before it is written."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from lazytile.service.http.json_document import JsonDocument

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lazytile.service.http.parameters import Parameter

Content = type[JsonDocument] | tuple[type[JsonDocument], ...] | dict[str, object]
"""A document, one of several documents, or the schema of other content."""


@dataclass(frozen=True, slots=True)
class Operation:
    """One method of a path, as the definition describes it."""

    route: str
    """Path of the route, with the names of its variable parts."""
    identifier: str
    summary: str
    parameters: tuple[Parameter, ...]
    content: Mapping[str, Content]
    """Of a response with status 200, by media type."""
    problems: tuple[int, ...]
    """Status codes of responses with a problem document."""
    path: str = ""
    """Path of the operation, if the route matches every path with its prefix."""
    method: str = "GET"
    body: tuple[type[JsonDocument], ...] = ()
    """The documents that a request may contain."""
    is_conditional: bool = True
    """Whether the response may be 304."""
    not_ready: str = ""
    """What status 503 means where its document is that of status 200."""
