"""Request parameters: each is one object that reads the value from a query and describes it in OpenAPI."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lazytile.pyramid.core.errors import InvalidParameterError

if TYPE_CHECKING:
    from collections.abc import Callable

    from lazytile.service.http.query import Query
    from lazytile.service.http.settings import Settings

Schema = dict[str, Any]
"""A JSON schema as OpenAPI 3.0 writes it."""

_NUMBER = re.compile(r"[+-]?([0-9]{1,20}(\.[0-9]{0,20})?|\.[0-9]{1,20})([eE][+-]?[0-9]{1,3})?", re.ASCII)


def parse_number(text: str) -> float:
    """Parse a decimal number of bounded length.

    Args:
        text: The number; blanks around it are ignored.

    Returns:
        The number, NaN if the text is none.
    """
    return float(text) if _NUMBER.fullmatch(text.strip()) else math.nan


@dataclass(frozen=True, slots=True)
class Parameter:
    """A parameter whose value is text."""

    name: str
    description: str
    location: str = "query"
    """``query`` or ``path``."""
    is_required: bool = False
    key: str = ""
    """Name in the components of the OpenAPI definition, where another parameter has the same ``name``."""

    @property
    def component(self) -> str:
        """Name in the components of the OpenAPI definition."""
        return self.key or self.name

    def text(self, query: Query) -> str:
        """Return the value in a query string.

        Args:
            query: The query string.

        Returns:
            The value, empty if the parameter is absent.

        Raises:
            MissingParameterError: A required parameter is absent.
        """
        return query.require(self.name) if self.is_required else query.get(self.name)

    def schema(self, settings: Settings) -> Schema:
        """Return the schema of the values.

        Args:
            settings: The settings of the server.

        Returns:
            The schema.
        """
        return {"type": "string", "minLength": 1, "maxLength": settings.max_value_length}

    def style(self) -> Schema:
        """Return how OpenAPI serializes the value, where it differs from the default."""
        return {}


@dataclass(frozen=True, slots=True)
class ChoiceParameter(Parameter):
    """A parameter with a fixed set of values."""

    values: tuple[str, ...] = ()

    def read(self, query: Query) -> str:
        """Return the value in a query string.

        Args:
            query: The query string.

        Returns:
            One of ``values``, empty if the parameter is absent.

        Raises:
            InvalidParameterError: The value is none of ``values``.
        """
        text = self.text(query)
        if text and text not in self.values:
            raise InvalidParameterError(
                self.name, f"{self.name} {text[:40]!r} is invalid, it may be {', '.join(self.values)}"
            )
        return text

    def schema(self, settings: Settings) -> Schema:
        """Return the schema of the values.

        Args:
            settings: Not used.

        Returns:
            The schema.
        """
        del settings
        return {"type": "string", "enum": list(self.values)}


@dataclass(frozen=True, slots=True)
class NumberParameter(Parameter):
    """A number within bounds, both included."""

    minimum: float = -math.inf
    maximum: float | Callable[[Settings], float] = math.inf
    """A number, or a function that returns it for the settings."""
    is_whole: bool = False

    def read(self, query: Query, settings: Settings, default: str = "") -> float:
        """Return the number in a query string.

        Args:
            query: The query string.
            settings: The settings of the server.
            default: The value of an absent parameter.

        Returns:
            The number, without its fraction if the parameter ``is_whole``.

        Raises:
            MissingParameterError: A required parameter is absent.
            InvalidParameterError: The value is no number, or out of bounds.
        """
        value = read_number(self.name, self.text(query) or default, self.minimum, self.largest(settings))
        return int(value) if self.is_whole else value

    def largest(self, settings: Settings) -> float:
        """Return the largest number allowed.

        Args:
            settings: The settings of the server.

        Returns:
            The bound.
        """
        return self.maximum(settings) if callable(self.maximum) else self.maximum

    def schema(self, settings: Settings) -> Schema:
        """Return the schema of the values.

        Args:
            settings: The settings of the server.

        Returns:
            The schema.
        """
        kind = "integer" if self.is_whole else "number"
        return {"type": kind, "minimum": self.minimum, "maximum": self.largest(settings)}


@dataclass(frozen=True, slots=True)
class NumbersParameter(Parameter):
    """Numbers within bounds, separated by commas."""

    fewest: int = 1
    most: int = 1
    minimum: float = -math.inf
    maximum: float = math.inf

    def read(self, query: Query, default: str = "") -> list[float]:
        """Return the numbers in a query string.

        Args:
            query: The query string.
            default: The value of an absent parameter.

        Returns:
            At most ``most`` numbers; the caller checks that there are enough.

        Raises:
            MissingParameterError: A required parameter is absent.
            InvalidParameterError: A part is no number or out of bounds, or there are too many.
        """
        parts = (self.text(query) or default).split(",")
        if len(parts) > self.most:
            raise InvalidParameterError(self.name, f"{self.name} has {len(parts)} numbers, it may have {self.most}")
        return [read_number(self.name, part, self.minimum, self.maximum) for part in parts]

    def schema(self, settings: Settings) -> Schema:
        """Return the schema of the values.

        Args:
            settings: Not used.

        Returns:
            The schema.
        """
        del settings
        number = {"type": "number", "minimum": self.minimum, "maximum": self.maximum}
        return {"type": "array", "items": number, "minItems": self.fewest, "maxItems": self.most}

    def style(self) -> Schema:
        """Return how OpenAPI serializes the value: as one text with commas."""
        return {"style": "form", "explode": False}


def read_number(name: str, text: str, minimum: float, maximum: float) -> float:
    """Parse a number within bounds.

    Args:
        name: Of the parameter, for the message.
        text: The number.
        minimum: The smallest allowed.
        maximum: The largest allowed.

    Returns:
        The number.

    Raises:
        InvalidParameterError: The text is no number, or the number is out of bounds.
    """
    value = parse_number(text)
    if not minimum <= value <= maximum:
        raise InvalidParameterError(
            name, f"{name} {text[:40]!r} is invalid, it may be a number from {minimum:g} to {maximum:g}"
        )
    return value
