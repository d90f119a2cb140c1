"""The administrators' API of a server, where the settings have one."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from lazytile.service.admin.actions import AdminActions
from lazytile.service.admin.server import AdminServer
from lazytile.service.app.listening import listen
from lazytile.service.app.systemd import ADMIN, passed_socket
from lazytile.service.http.operating.access_settings import address_parts

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from lazytile.pyramid.core.conditions import Condition
    from lazytile.service.http.settings import Settings


@contextmanager
def administered(
    settings: Settings, read: Callable[[], Settings], describe: Callable[[], dict[str, Any]]
) -> Iterator[None]:
    """Serve the API while the context lasts, if ``admin_address`` is set.

    Args:
        settings: The settings of the server.
        read: Reads them again.
        describe: Returns what the processes of the server do; called in another thread.

    Yields:
        Nothing.

    Raises:
        ServiceError: The address is in use.
    """
    if settings.admin_address is None or settings.admin_token is None:
        yield
        return
    host, port = address_parts(settings.admin_address)
    with (
        passed_socket(ADMIN) or listen(host, port) as sock,
        AdminServer(sock, settings.admin_token, AdminActions(settings, read, describe)),
    ):
        yield


def listed(conditions: Iterable[Condition]) -> list[dict[str, Any]]:
    """Return conditions as JSON values.

    Args:
        conditions: The conditions.

    Returns:
        Key, problem and whether the server can serve, of each.
    """
    return [{"key": each.key, "problem": each.problem, "ready": each.ready} for each in conditions]
