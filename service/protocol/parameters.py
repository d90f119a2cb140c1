"""The request parameters that several protocols share."""

from __future__ import annotations

from lazytile.colormaps.synthesis.bands import MAX_BANDS
from lazytile.colormaps.synthesis.rescale import SPACINGS
from lazytile.pyramid.catalog.resolver import MAX_DIGITS
from lazytile.pyramid.catalog.tile_options import SCALES
from lazytile.pyramid.resampling.method import Resampling
from lazytile.service.http.parameters import ChoiceParameter, NumberParameter, Parameter

_LARGEST_INDEX = 10**MAX_DIGITS - 1
MAX_MAGNITUDE = 1e300
"""Of a number among the values of a layer."""


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
TIME = Parameter("time", "a time of the layer, the latest without it; of A/B and of A,B the latest time")
ELEVATION = Parameter("elevation", "a step of the vertical dimension of the layer; a depth of 10 is -10")
TILE_OPTIONS = (
    Parameter("colormap", "a colormap instead of that of the style"),
    Parameter("rescale", "MIN,MAX: the range of the colours; one for each variable of rgb, separated by semicolons"),
    ChoiceParameter("spacing", "how the colours are spread over the range of rescale", values=SPACINGS),
    NumberParameter("bands", "number of colours", minimum=1, maximum=MAX_BANDS, is_whole=True),
    Parameter("below", "colour of values below the range: extend, transparent, 0xRRGGBB or 0xAARRGGBB"),
    Parameter("above", "colour of values above the range, as below"),
    ChoiceParameter("resampling", "how pixels are made of cells", values=tuple(method.value for method in Resampling)),
    Parameter("filter", "sobel, blur, hillshade, hillshade:EXAGGERATION or contour:INTERVAL"),
    Parameter("expression", "arithmetic on the variables of the dataset, shown instead of the layer's own"),
    Parameter("rgb", "RED,GREEN,BLUE: three variables of the dataset as one picture"),
    ChoiceParameter("scale", "2 for tiles of twice the pixels, auto for the range of a tile's values", values=SCALES),
    Parameter("cmap", "colormap, as the prototype calls it"),
    NumberParameter("min_value", "the lower end of rescale", minimum=-MAX_MAGNITUDE, maximum=MAX_MAGNITUDE),
    NumberParameter("max_value", "the upper end of rescale", minimum=-MAX_MAGNITUDE, maximum=MAX_MAGNITUDE),
    Parameter("palette", "colormap, as ncWMS calls it"),
    Parameter("colorscalerange", "rescale, as ncWMS calls it; auto for scale=auto, default for the colormap's own"),
    NumberParameter("numcolorbands", "bands, as ncWMS calls them", minimum=1, maximum=MAX_BANDS, is_whole=True),
    Parameter("abovemaxcolor", "above, as ncWMS calls it"),
    Parameter("belowmincolor", "below, as ncWMS calls it"),
    ChoiceParameter("logscale", "true for spacing=log, as in ncWMS", values=("true", "false")),
)
"""The options of tiles, read by ``lazytile.pyramid.catalog.tile_options``."""
