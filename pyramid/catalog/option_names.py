"""Other names of tile options, each translated to the option that it stands for.

``cmap``, ``min_value`` and ``max_value`` are those of the prototype; ``colorscalerange``, ``numcolorbands``,
``abovemaxcolor``, ``belowmincolor``, ``logscale`` and ``palette`` those of ncWMS2 ("GetMap"), which Terria, Godiva and
leaflet-timedimension send.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from lazytile.pyramid.core.errors import InvalidParameterError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lazytile.pyramid.store.layer import Layer

ALIASES = frozenset({
    "cmap", "min_value", "max_value", "colorscalerange", "numcolorbands", "abovemaxcolor", "belowmincolor", "logscale",
    "palette",
})  # fmt: skip
_SAME = {"cmap": "colormap", "palette": "colormap", "numcolorbands": "bands", "abovemaxcolor": "above",
         "belowmincolor": "below"}  # fmt: skip
AUTO = "auto"
_LOG = "logscale"


def translated(layer: Layer, parameters: Mapping[str, str]) -> Mapping[str, str]:
    """Return the parameters of a request with every option by its own name.

    Args:
        layer: The layer of the request, whose range completes one of which only one end is given.
        parameters: Values by lower-case name.

    Returns:
        The parameters.

    Raises:
        InvalidParameterError: Two names of one option have different values, or a value is invalid.
    """
    if parameters.keys().isdisjoint(ALIASES):
        return parameters
    found = {name: value for name, value in parameters.items() if name not in ALIASES}

    def put(alias: str, name: str, value: str) -> None:
        if found.setdefault(name, value) != value:
            raise InvalidParameterError(alias, f"{alias} and {name} are given with different values, give one of them")

    for alias, name in _SAME.items():
        if parameters.get(alias):
            put(alias, name, parameters[alias])
    span = parameters.get("colorscalerange", "")
    if span.lower() == AUTO:
        put("colorscalerange", "scale", AUTO)
    elif span and span.lower() != "default":
        put("colorscalerange", "rescale", span)
    if _is_log(parameters):
        put("logscale", "spacing", "log")
    if parameters.get("min_value") or parameters.get("max_value"):
        alias = "min_value" if parameters.get("min_value") else "max_value"
        put(alias, "rescale", _range(layer, parameters))
    return found


def _is_log(parameters: Mapping[str, str]) -> bool:
    log = parameters.get(_LOG, "").lower()
    if log not in ("", "true", "false"):
        raise InvalidParameterError(_LOG, f"{_LOG} {log[:20]!r} is invalid, it may be true or false")
    return log == "true"


def _range(layer: Layer, parameters: Mapping[str, str]) -> str:
    ends = []
    for name, own in zip(("min_value", "max_value"), layer.variable.style_range, strict=True):
        value = parameters.get(name) or ("" if own is None else repr(own))
        if not value:
            raise InvalidParameterError(name, f"{name} is missing, the range of {layer.name} is unknown")
        ends.append(value)
    return ",".join(ends)
