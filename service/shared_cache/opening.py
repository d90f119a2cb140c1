"""Opening the place that the settings name."""

from __future__ import annotations

import importlib.util
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from lazytile.service.http.errors import CacheError

if TYPE_CHECKING:
    from lazytile.service.http.settings import Settings
    from lazytile.service.shared_cache.backend import SharedBackend

OBJECT_SCHEMES = ("s3", "gs", "az")


def open_backend(settings: Settings) -> SharedBackend:
    """Open the place that the settings name. Nothing is asked of it yet.

    Args:
        settings: The settings, with ``shared_cache``.

    Returns:
        The backend.

    Raises:
        CacheError: The package that it needs is not installed, or the address is unusable.
    """
    url = settings.shared_cache or ""
    package = "obstore" if urlsplit(url).scheme in OBJECT_SCHEMES else "redis"
    if importlib.util.find_spec(package) is None:
        raise CacheError(f"shared_cache needs the package {package}: pip install 'lazytile[shared]'")
    try:
        if package == "obstore":
            from lazytile.service.shared_cache.object_backend import ObjectBackend  # noqa: PLC0415 - an extra

            return ObjectBackend(url, settings.shared_cache_timeout_s)
        from lazytile.service.shared_cache.redis_backend import RedisBackend  # noqa: PLC0415 - an extra

        return RedisBackend(url, settings.shared_cache_ttl_s, settings.shared_cache_timeout_s)
    except (ValueError, OSError) as error:
        raise CacheError(f"shared_cache cannot be used: {type(error).__name__}") from None  # the address has a password


def place_of(url: str) -> str:
    """Return an address without what is secret in it.

    Args:
        url: As the setting has it.

    Returns:
        Scheme and host, or scheme and bucket.
    """
    parts = urlsplit(url)
    host = parts.netloc.rpartition("@")[2]
    return f"{parts.scheme}://{host}"
