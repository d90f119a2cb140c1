"""The methods of resampling: how a pixel is computed from the cells around its centre."""

from __future__ import annotations

from enum import Enum

from lazytile.pyramid.core.errors import InvalidParameterError
from lazytile.pyramid.core.request_field import RequestField


class Resampling(Enum):
    """How a pixel is computed from the cells around its centre."""

    NEAREST = "nearest"
    BILINEAR = "bilinear"
    CUBIC = "cubic"
    AVERAGE = "average"
    MODE = "mode"

    @property
    def needs_footprints(self) -> bool:
        """Whether the cells under a pixel contribute, so that its size matters."""
        return self in (Resampling.AVERAGE, Resampling.MODE)

    @classmethod
    def parse(cls, text: str) -> Resampling:
        """Return the method of a name.

        Args:
            text: The name as a request spells it.

        Returns:
            The method.

        Raises:
            InvalidParameterError: There is no such method.
        """
        try:
            return cls(text)
        except ValueError:
            allowed = ", ".join(item.value for item in cls)
            raise InvalidParameterError(
                RequestField.RESAMPLING, f"resampling {text!r} is invalid, it may be {allowed}"
            ) from None
