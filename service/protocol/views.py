"""What each request may see: everything, or without the datasets for which it has no token."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from aiohttp import hdrs, web

from lazytile.service.access.bearer_tokens import BearerTokens
from lazytile.service.catalogue.restricted import RestrictedCatalogue
from lazytile.service.http.errors import InsufficientTokenError, TokenRequiredError, WrongTokenError
from lazytile.service.protocol.context import APP_CONTEXT, AppContext
from lazytile.service.protocol.tile_answer import TileResponse

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from lazytile.pyramid.core.errors import StoreError

VIEWS: web.AppKey[Views] = web.AppKey("views")
VIEW: web.RequestKey[AppContext] = web.RequestKey("view", AppContext)


class Views:
    """The contexts of requests by their tokens."""

    def __init__(self, whole: AppContext, tokens: Mapping[str, Sequence[str]]) -> None:
        """Make a context for every set of datasets that a token opens.

        Args:
            whole: The context with every dataset.
            tokens: Tokens by dataset.
        """
        self._tokens = BearerTokens(tokens)
        self._anonymous = self._view(whole, frozenset(), TokenRequiredError)
        self._unknown = self._view(whole, frozenset(), WrongTokenError)
        self._by_opened = {opened: self._view(whole, opened, InsufficientTokenError) for opened in self._tokens.views()}

    def _view(self, whole: AppContext, opened: frozenset[str], refusal: Callable[[str], StoreError]) -> AppContext:
        hidden = self._tokens.protected - opened
        return replace(whole, catalogue=RestrictedCatalogue(whole.catalogue, hidden, refusal))

    def of(self, authorization: str | None) -> AppContext:
        """Return the context of a request.

        Args:
            authorization: Its header Authorization.

        Returns:
            The context.
        """
        opened = self._tokens.opened(authorization)
        if opened is None:
            return self._unknown
        return self._by_opened[opened] if opened else self._anonymous


def context_of(request: web.Request) -> AppContext:
    """Return the context of a request: what it may see.

    Args:
        request: The request.

    Returns:
        The context.
    """
    return request.get(VIEW) or request.app[APP_CONTEXT]


def keep_private(response: web.StreamResponse, authorization: str | None) -> None:
    """Keep a response out of the caches that clients share, if it may depend on a token.

    Args:
        response: The response.
        authorization: Header Authorization of the request.
    """
    headers = response.headers
    if authorization is None and isinstance(response, TileResponse):
        return  # it is the same for everybody
    if authorization is not None:
        directives = headers.get(hdrs.CACHE_CONTROL, "")
        if "public" in directives:
            headers[hdrs.CACHE_CONTROL] = directives.replace("public", "private")
        elif "no-store" not in directives:
            headers[hdrs.CACHE_CONTROL] = f"{directives}, private" if directives else "private"
    vary = headers.get(hdrs.VARY)
    headers[hdrs.VARY] = f"{vary}, Authorization" if vary else "Authorization"
