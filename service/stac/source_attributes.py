"""What the global attributes of a source say about licence, providers and subject (CF 2.6.2, ACDD 1.3)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lazytile.pyramid.core import process
from lazytile.pyramid.core.errors import StoreError, StoreUnavailableError
from lazytile.pyramid.core.json_text import parse_json
from lazytile.pyramid.storage.protocol import StorageError
from lazytile.pyramid.store.generation_attempts import check_opened
from lazytile.pyramid.store.node_metadata import check_metadata
from lazytile.service.stac.models import Provider

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lazytile.pyramid.store.store import StoredDataset

OTHER = "other"
"""A licence that has no identifier of SPDX, or is not known (STAC 1.1, Licensing)."""
MAX_KEYWORDS = 50
MAX_CHARACTERS = 4000
_USED = (
    *("summary", "comment", "keywords", "license", "license_link", "institution", "creator_name", "creator_url"),
    *("creator_institution", "publisher_name", "publisher_url", "time_coverage_start", "time_coverage_end"),
)
_IDENTIFIERS = re.compile(
    r"(?i)CC0-1\.0|CC-BY(-NC)?(-ND|-SA)?-[1-4]\.[0-9]|MIT|Apache-2\.0|BSD-[23]-Clause|ODbL-1\.0|ODC-By-1\.0|PDDL-1\.0"
    r"|OGL-UK-[1-3]\.0|etalab-2\.0"
)
_SPELLED = {"etalab-2.0": "etalab-2.0", "apache-2.0": "Apache-2.0", "odbl-1.0": "ODbL-1.0", "odc-by-1.0": "ODC-By-1.0"}
_COMMONS = re.compile(r"(?i)https?://creativecommons\.org/(?:licenses/([a-z-]+)|publicdomain/zero)/([0-9.]+)")
_URL = re.compile(r"https?://[^\s<>\"']+")


@dataclass(frozen=True, slots=True)
class SourceAttributes:
    """The attributes that are used, each a text."""

    texts: Mapping[str, str]

    @property
    def nbytes(self) -> int:
        """Bytes in memory, about."""
        return sum(len(name) + len(text) + 200 for name, text in self.texts.items())

    @property
    def description(self) -> str:
        """What the source says about itself; empty if nothing."""
        return self.texts.get("summary") or self.texts.get("comment", "")

    @property
    def keywords(self) -> list[str]:
        """The keywords, at most ``MAX_KEYWORDS``."""
        parts = (part.strip() for part in re.split("[,;\n]", self.texts.get("keywords", "")))
        return list(dict.fromkeys(part for part in parts if part))[:MAX_KEYWORDS]

    @property
    def license(self) -> str:
        """The identifier of SPDX, or ``OTHER``."""
        text = self.texts.get("license", "")
        for candidate in (text.strip(), text.strip().replace(" ", "-")):
            if _IDENTIFIERS.fullmatch(candidate):
                return _SPELLED.get(candidate.lower(), candidate.upper())
        found = _COMMONS.search(text) or _COMMONS.search(self.texts.get("license_link", ""))
        if found is None:
            return OTHER
        return f"CC-{found[1].upper()}-{found[2].rstrip('.')}" if found[1] else f"CC0-{found[2].rstrip('.')}"

    @property
    def license_url(self) -> str | None:
        """The address of the licence, where the source names one."""
        found = _URL.search(self.texts.get("license", "")) or _URL.search(self.texts.get("license_link", ""))
        return found[0].rstrip(".,;)") if found else None

    @property
    def providers(self) -> list[Provider]:
        """Who made the data, and who publishes it."""
        found: dict[str, Provider] = {}
        for role, names, url in (
            ("producer", ("creator_institution", "institution", "creator_name"), "creator_url"),
            ("host", ("publisher_name",), "publisher_url"),
        ):
            name = next((self.texts[each] for each in names if self.texts.get(each)), None)
            if name is not None:
                address = self.texts.get(url, "")
                link = address if _URL.fullmatch(address) else None
                known = found.get(name)
                roles = [role] if known is None else [*known.roles, role]
                found[name] = Provider(name=name, roles=roles, url=link or (None if known is None else known.url))
        return list(found.values())


def source_attributes_of(stored: StoredDataset) -> SourceAttributes:
    """Return the attributes of a dataset's source, read once for each state of it. It blocks.

    Args:
        stored: The dataset.

    Returns:
        The attributes.

    Raises:
        StoreError: The metadata is damaged.
        GenerationChangedError: The dataset was replaced meanwhile.
    """
    key = ("source attributes", stored.path, stored.stamp)
    found: SourceAttributes = process.cache("documents").get(key, lambda: _read(stored))
    return found


def _read(stored: StoredDataset) -> SourceAttributes:
    try:
        root = parse_json((stored.path / "zarr.json").read_bytes())
        check_metadata(root)
        attributes = root["attributes"]
    except StorageError as error:
        raise StoreUnavailableError(str(error)) from error
    except (OSError, KeyError, TypeError, ValueError, StoreError) as error:
        check_opened(stored)
        name = stored.description.name
        raise StoreError(f"the metadata of dataset {name} is damaged: {type(error).__name__}: {error}") from error
    check_opened(stored)
    texts = {name: _text(attributes.get(name)) for name in _USED}
    return SourceAttributes({name: text for name, text in texts.items() if text})


def _text(value: Any) -> str:
    if isinstance(value, list):
        value = ", ".join(each for each in value if isinstance(each, str))
    return value.strip()[:MAX_CHARACTERS] if isinstance(value, str) else ""
