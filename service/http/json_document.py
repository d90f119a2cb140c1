"""The base of every JSON document that the service answers with, and the bytes of one.

Documents are pydantic models: what a document may hold, its order, its OpenAPI schema and its bytes come from one
class. A member that may be absent has the default None; one that may be null has no default.
"""

from __future__ import annotations

import json
from typing import Any

from pydantic import AliasGenerator, BaseModel, ConfigDict
from pydantic.alias_generators import to_camel

JSON = "application/json"
_encode = json.JSONEncoder(allow_nan=False).encode


class JsonDocument(BaseModel):
    """A JSON object whose members are the fields, in their order. NaN and infinity are refused (RFC 8259, 6)."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    def members(self) -> dict[str, Any]:
        """Return the members by their names in JSON, without those that are absent."""
        return self.model_dump(mode="json", by_alias=True, exclude_defaults=True)


class CamelDocument(JsonDocument):
    """A JSON object whose members have their fields' names in camelCase."""

    model_config = ConfigDict(alias_generator=AliasGenerator(serialization_alias=to_camel))


def json_bytes(document: JsonDocument) -> bytes:
    """Return a document as JSON in ASCII.

    Args:
        document: What to write.

    Returns:
        The text. Python's encoder writes it: pydantic's own leaves out the spaces after commas and colons, and
        every entity tag that clients hold would change.
    """
    return _encode(document.members()).encode()
