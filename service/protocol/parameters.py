"""The request parameters that several protocols share."""

from __future__ import annotations

from lazytile.colormaps.synthesis.rescale import SPACINGS
from lazytile.pyramid.catalog.resolver import MAX_DIGITS
from lazytile.pyramid.catalog.tile_options import SCALES
from lazytile.pyramid.resampling.method import Resampling
from lazytile.service.http.parameters import ChoiceParameter, NumberParameter, Parameter

_LARGEST_INDEX = 10**MAX_DIGITS - 1


def path_parameter(name: str, description: str) -> Parameter:
    """Return a parameter that is a segment of a path.

    Args:
        name: As the route has it.
        description: For people.

    Returns:
        The parameter.
    """
    return Parameter(name, description, "path", is_required=True)


def index_parameter(name: str, description: str) -> NumberParameter:
    """Return a row, a column or a zoom in a path.

    Args:
        name: As the route has it.
        description: For people.

    Returns:
        The parameter.
    """
    return NumberParameter(
        name, description, "path", is_required=True, minimum=0, maximum=_LARGEST_INDEX, is_whole=True
    )


COLLECTION = path_parameter("collectionId", "a layer")
DATETIME = Parameter("datetime", "an RFC 3339 date or time, A/B, A/.. or ../B: of an interval the latest time in it")
STYLE = Parameter("style", "a style of the layer")
TIME = Parameter("time", "a time of the layer; the latest without it")
TILE_OPTIONS = (
    Parameter("colormap", "a colormap instead of that of the style"),
    Parameter("rescale", "MIN,MAX: the range of the colours; one for each variable of rgb, separated by semicolons"),
    ChoiceParameter("spacing", "how the colours are spread over the range of rescale", values=SPACINGS),
    ChoiceParameter("resampling", "how pixels are made of cells", values=tuple(method.value for method in Resampling)),
    Parameter("filter", "sobel, blur, hillshade, hillshade:EXAGGERATION or contour:INTERVAL"),
    Parameter("expression", "arithmetic on the variables of the dataset, shown instead of the layer's own"),
    Parameter("rgb", "RED,GREEN,BLUE: three variables of the dataset as one picture"),
    ChoiceParameter("scale", "2 for tiles of twice the pixels", values=SCALES),
)
"""The options of tiles, read by ``lazytile.pyramid.catalog.tile_options``."""
