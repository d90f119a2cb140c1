"""Times as periods: ISO 8601 ``start/end/period`` (OGC 06-042, annex D, as GIBS uses it)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lazytile.pyramid.times.time_axis import is_standard, time_axis

if TYPE_CHECKING:
    from lazytile.pyramid.times.time_axis import Run


def periods_of(labels: tuple[str, ...], *, always: bool = False) -> list[str]:
    """Return labels as periods. A period contains no time that is not a label.

    Args:
        labels: Labels of a dimension.
        always: Whether a single time becomes a period too, of the shortest step: clients of GIBS read nothing else.

    Returns:
        ``start/end/period`` for each regular run, the label for a time outside of any. Labels of another calendar than
        the standard one are returned as they are, since clients cannot count in it.
    """
    axis = time_axis(labels)
    if axis is None or not is_standard(axis):
        return list(labels)
    single = axis.step.text if always else ""
    return [_text(labels, run, single) for run in axis.runs]


def _text(labels: tuple[str, ...], run: Run, single: str) -> str:
    step = single if run.step is None else run.step.text
    return f"{labels[run.first]}/{labels[run.last]}/{step}" if step else labels[run.first]
