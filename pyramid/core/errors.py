"""The exceptions of the pyramid, from a source file to a tile image.

Their text is one line: what is wrong, where, and what is allowed. ``lazytile.service.http.errors`` maps the classes to
HTTP statuses and OWS exception codes; the command line prints the text and exits with 2.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from lazytile.colormaps.core.errors import LazytileError
from lazytile.pyramid.core.request_field import field_name

if TYPE_CHECKING:
    from lazytile.pyramid.core.request_field import RequestDimension, RequestField


class SourceError(LazytileError):
    """A source cannot be opened, or has no grid that can be located on the Earth."""


class NotComputedError(LazytileError):
    """Something that takes long would have to be computed, where only what is known may be used (``process``)."""

    def __init__(self, text: str, key: object = None) -> None:
        """Name what is lacking.

        Args:
            text: For people.
            key: Names the value that is lacking; None where the work leaves none behind.
        """
        super().__init__(text)
        self.key = key


class NoSeriesError(SourceError):
    """Several files do not form one time series."""


class ResponseTooLargeError(SourceError):
    """A server's response exceeds what is accepted. A smaller request may succeed."""


class StoreError(LazytileError):
    """A store or a dataset in it is missing, damaged, or of a format that this version does not support."""


def first_line(error: BaseException) -> str:
    """Return the first line of an exception's text, for a message of one line.

    Args:
        error: Of any library.

    Returns:
        The line, or the name of the exception's class where it has no text.
    """
    return (str(error).strip() or type(error).__name__).splitlines()[0]


class DamagedDescriptionError(StoreError):
    """The description of a dataset is damaged, or of a format that this version does not support."""


class StoreUnavailableError(StoreError):
    """The storage of a dataset cannot be reached at the moment. A retry may succeed."""

    retry_after_s = 2


class DatasetNotFoundError(StoreError):
    """The store has no dataset or layer of that name."""


class GenerationChangedError(StoreError):
    """The dataset was replaced while its old content was being read. A retry succeeds."""


class SourceUnavailableError(StoreError):
    """The source of a linked dataset does not answer, or fails. It may be back later."""

    retry_after_s = 5


class EngineError(LazytileError):
    """The engine does not exist, cannot start, or lost its work."""


class EngineStartError(EngineError):
    """An engine cannot start: no work of it has begun."""


class EngineUnavailableError(EngineError):
    """The engine cannot work at the moment: its scheduler is lost, or it has no worker. It may be back later."""

    retry_after_s = 2


class MrfError(LazytileError):
    """An MRF cannot be written, or a file is not a readable MRF."""


class RequestError(LazytileError):
    """A request is invalid. ``field`` is the part of it that is."""

    def __init__(self, field: RequestField | RequestDimension | str, text: str) -> None:
        """Name the invalid part of a request.

        Args:
            field: A part of a tile's address, a dimension, or a ``str``: a parameter as clients spell it.
            text: One line: what is wrong, where, and what is allowed. It begins with the field's name, if with any.
        """
        super().__init__(text)
        self.field = field

    def spelled(self, name: str) -> str:
        """Return the text with the field called by another name, such as that of a protocol's parameter.

        Args:
            name: What to call the field.

        Returns:
            The text, which begins with ``name`` if it began with the field's own.
        """
        text, own_name = str(self), field_name(self.field)
        return f"{name}{text.removeprefix(own_name)}" if text.startswith(f"{own_name} ") else text

    def __reduce__(self) -> tuple[type[RequestError], tuple[RequestField | RequestDimension | str, str]]:
        # Exceptions come from Dask workers by pickle, which would call the constructor with the text only.
        return type(self), (self.field, str(self))


class MissingParameterError(RequestError):
    """A mandatory parameter is absent or empty (OGC 07-057r7, Table 24)."""


class InvalidParameterError(RequestError):
    """A parameter has a value outside what the capabilities declare (OGC 07-057r7, Table 24)."""


class TileOutOfRangeError(RequestError):
    """A row or column lies outside its tile matrix (OGC 07-057r7, Table 24)."""
