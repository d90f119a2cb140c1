"""Times as few values: ISO 8601 ``start/end/period`` (OGC 06-042, annex D, as GIBS uses it)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lazytile.pyramid.times.time_axis import is_standard, time_axis

if TYPE_CHECKING:
    from lazytile.pyramid.times.time_axis import Run


def periods_of(labels: tuple[str, ...], *, always: bool = False) -> list[str]:
    """Return labels as few values: ``start/end/period`` for each regular run, the label itself outside of any.

    ``always``: a single time too becomes a period, of the shortest step there is; GIBS's clients read nothing else.
    Labels that are no instants of the calendar that the world uses come back as they are, since nobody else could
    count in theirs. Gaps stay gaps: nothing is in a period that is not a label.
    """
    axis = time_axis(labels)
    if axis is None or not is_standard(axis):
        return list(labels)
    single = axis.step.text if always else ""
    return [_text(labels, run, single) for run in axis.runs]


def _text(labels: tuple[str, ...], run: Run, single: str) -> str:
    step = single if run.step is None else run.step.text
    return f"{labels[run.first]}/{labels[run.last]}/{step}" if step else labels[run.first]
