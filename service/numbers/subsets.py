"""``/numbers/{layer}/subset``: a box of the layer's own cells as netCDF, GeoTIFF or CSV."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from aiohttp import web

from lazytile.pyramid.core.errors import InvalidParameterError
from lazytile.pyramid.store.generation_attempts import generation_attempts
from lazytile.pyramid.subsets.task import SubsetTask
from lazytile.service.admission.first_use import computed
from lazytile.service.http.negotiation import negotiate_format
from lazytile.service.http.query import Query
from lazytile.service.http.reply import CODINGS, matches, text_response
from lazytile.service.numbers.request import box_of, steps_of
from lazytile.service.protocol.datetime_parameter import indices_of, label_of
from lazytile.service.protocol.parameters import DATETIME
from lazytile.service.protocol.views import context_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from lazytile.pyramid.store.layer import Layer
    from lazytile.service.protocol.context import AppContext

SUBSET_TYPES = {"nc": "application/netcdf", "tif": "image/tiff", "csv": "text/csv"}
"""Media types by the value of ``f``, the preferred one first."""
_GEOTIFF = "image/tiff; application=geotiff"
"""As OGC 19-008r4, annex D, names it in responses."""


async def subset(request: web.Request) -> web.StreamResponse:
    """Respond with the cells of a box as a file."""
    context = context_of(request)
    query = Query(request.rel_url.raw_query_string, context.settings.max_value_length)
    form = negotiate_format(request, query, SUBSET_TYPES)
    for attempt in generation_attempts():
        with attempt:
            name = request.match_info["collectionId"]
            layer = (await context.catalogue.at(name, again=attempt.is_repeated)).layer(name)
            task = await _made(context, DATETIME.text(query), partial(_task, context, query, layer, form))
            headers = {
                "Cache-Control": f"public, max-age={context.settings.latest_max_age_s}",
                "Content-Disposition": f'attachment; filename="{_file_name(layer, task)}"',
                "Vary": "Accept, Accept-Encoding",
            }
            tags = [f'"{task.key}"', *(f'"{task.key}-{coding}"' for coding in CODINGS)]
            known = next((tag for tag in tags if matches(request.headers.get("If-None-Match"), tag)), None)
            if known is not None:
                return web.Response(status=304, headers=headers | {"ETag": known})
            content = await context.broker.compute(task, layer.dataset)

    def respond() -> web.Response:
        if form == "csv":
            return text_response(request, content, "text/csv; charset=utf-8", digest=task.key, headers=headers)
        # HDF5 writes the time at which a file was made into it: equal files have other bytes (RFC 9110, 8.8.1).
        fields = {
            "Content-Type": _GEOTIFF if form == "tif" else SUBSET_TYPES[form],
            "ETag": tags[0] if form == "tif" else f"W/{tags[0]}",
        }
        return web.Response(body=content, headers=headers | fields)

    return await context.admission.document(respond) if form == "csv" else respond()


async def _made(context: AppContext, times: str, make: Callable[[], SubsetTask]) -> SubsetTask:
    """Return the task for some times; in a thread where these may be many."""
    return await (context.admission.document(make) if "/" in times else computed(context.admission, make))


def _task(context: AppContext, query: Query, layer: Layer, form: str) -> SubsetTask:
    settings, dataset, box = context.settings, layer.dataset, box_of(query)
    text = DATETIME.text(query)
    if "/" in text and layer.variable.time is not None:
        times, steps = indices_of(layer, text), steps_of(query, layer, "")
        # Each time has one cell at least.
        if len(times) > settings.max_subset_cells:
            most = settings.max_subset_cells
            raise InvalidParameterError("datetime", f"datetime selects {len(times)} times, at most {most} are allowed")
        indices = tuple(tuple(at if step.is_time else step.index for step in steps) for at in times)
    else:
        indices = (tuple(step.index for step in steps_of(query, layer, label_of(layer, text))),)
    return SubsetTask(
        str(settings.store.resolve()),
        dataset.name,
        dataset.generation,
        layer.variable.name,
        indices,
        box.bounds,
        form,
        settings.max_subset_cells,
        settings.timeout_s,
    )


def _file_name(layer: Layer, task: SubsetTask) -> str:
    """Return a name for the file: the layer, the first time, and the format, in characters that every system allows."""
    axis = layer.variable.time_axis
    time = "" if axis is None else layer.variable.dimensions[axis].labels[task.indices[0][axis]]
    parts = [layer.name, time, "etc" if len(task.indices) > 1 else ""]
    safe = ("".join(each if each.isascii() and (each.isalnum() or each in "._-") else "-" for each in part)
            for part in parts if part)  # fmt: skip
    return f"{'_'.join(safe)}.{task.form}"
