"""The request parameters of the overview."""

from __future__ import annotations

from lazytile.colormaps.synthesis.rescale import SPACINGS
from lazytile.service.http.parameters import ChoiceParameter, Parameter

RESCALE = Parameter("rescale", "MIN,MAX: the range of the colours, in the units of the layer", key="rescaleStyle")
SPACING = ChoiceParameter("spacing", "how the colours are spread over the range", key="spacingStyle", values=SPACINGS)
