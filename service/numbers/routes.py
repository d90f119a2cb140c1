"""Numbers over HTTP: statistics of a region, the value at a point, its course through time.

``/numbers/{layer}/statistics`` (GET with a box, POST with a polygon), ``/numbers/{layer}/point`` and
``/numbers/{layer}/series``. The engine that renders tiles computes them, a few at a time, within a limit of time.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
from typing import TYPE_CHECKING, Any

from aiohttp import web

from lazytile.pyramid.core.errors import InvalidParameterError
from lazytile.pyramid.numbers.statistics import cell_at
from lazytile.pyramid.numbers.task import NumbersTask, read_statistics, read_values
from lazytile.pyramid.times.lookup import TIME, parameter_name
from lazytile.service.http.documents import with_problem_responses
from lazytile.service.http.errors import BusyError, OverdueError
from lazytile.service.http.negotiation import negotiate_format
from lazytile.service.http.query import Query
from lazytile.service.http.reply import text_response
from lazytile.service.numbers.formats import MEDIA_TYPES, PointValues
from lazytile.service.numbers.request import box_of, leading_index, options_of, point_of, polygon_of
from lazytile.service.protocol.context import APP_CONTEXT
from lazytile.service.protocol.datetime_parameter import indices_of, label_of

if TYPE_CHECKING:
    from lazytile.pyramid.numbers.region import Region
    from lazytile.pyramid.numbers.statistics import PointCell, RegionStatistics, StatisticsOptions
    from lazytile.pyramid.store.layer import Layer
    from lazytile.service.protocol.context import AppContext

MAX_STEPS = 10_000
"""Times in one series."""
AT_A_TIME = 2
"""Requests for numbers that are computed at a time, for each server process."""


class NumbersQueue:
    """Has numbers computed on the engine: a few at a time, a bounded number waiting, each with a limit of time."""

    def __init__(self) -> None:
        self._running = asyncio.Semaphore(AT_A_TIME)
        self._under_way = 0

    async def run(self, context: AppContext, task: NumbersTask) -> bytes:
        """Return the JSON that the engine makes of a task.

        Raises ``BusyError``, ``OverdueError``, ``GenerationChangedError`` where the dataset was replaced meanwhile,
        and what the work raises.
        """
        settings = context.settings
        if self._under_way > settings.queue_length:
            context.metrics.refused.labels("busy").inc()
            raise BusyError(f"{self._under_way} requests for numbers are under way already, ask again in a second")
        self._under_way += 1
        try:
            async with asyncio.timeout(settings.timeout_s), self._running:
                return await context.broker.compute(task)
        except TimeoutError as error:
            context.metrics.refused.labels("overdue").inc()
            raise OverdueError(f"the numbers were not ready within {settings.timeout_s:g} seconds") from error
        finally:
            self._under_way -= 1


NUMBERS_QUEUE: web.AppKey[NumbersQueue] = web.AppKey("numbers")


def add_routes(app: web.Application) -> None:
    """Add the addresses, and the desk that they share."""
    app[NUMBERS_QUEUE] = NumbersQueue()
    app.router.add_get("/numbers/{layer}/statistics", with_problem_responses(box_statistics))
    app.router.add_post("/numbers/{layer}/statistics", with_problem_responses(polygon_statistics))
    app.router.add_get("/numbers/{layer}/point", with_problem_responses(point))
    app.router.add_get("/numbers/{layer}/series", with_problem_responses(series))


async def box_statistics(request: web.Request) -> web.StreamResponse:
    """Answer with the statistics of a box."""
    query = _query(request)
    return await _statistics(request, query, box_of(query))


async def polygon_statistics(request: web.Request) -> web.StreamResponse:
    """Answer with the statistics of the GeoJSON polygon in the body."""
    return await _statistics(request, _query(request), polygon_of(await request.read()))


async def _statistics(request: web.Request, query: Query, region: Region) -> web.Response:
    context = request.app[APP_CONTEXT]
    negotiate_format(request, query, {"json": "application/json"})
    options = options_of(query, context.settings.max_number_cells)
    layer = context.store.layer(request.match_info["layer"])
    dim_index = leading_index(layer, query, label_of(layer, query.get("datetime")))

    task = _task(context, layer, (dim_index,), region=region, options=options)
    found = read_statistics(await request.app[NUMBERS_QUEUE].run(context, task))
    members = {**_heading(layer, dim_index), **_members(found, options)}
    return _answer(request, json.dumps(members, allow_nan=False).encode(), "application/json")


def _members(found: RegionStatistics, options: StatisticsOptions) -> dict[str, Any]:
    histogram = found.histogram
    return {
        "level": found.level,
        "budget": options.budget_cells,
        "cells": found.cell_count,
        "valid_cells": found.valid_count,
        "area_m2": found.area_m2,
        "valid_area_m2": found.valid_area_m2,
        "min": found.minimum,
        "max": found.maximum,
        "mean": found.mean,
        "std": found.std,
        "percentiles": {
            f"{share:g}": value for share, value in zip(options.percentiles, found.percentiles, strict=True)
        },
        "histogram": None
        if histogram is None
        else {"edges": histogram.edges, "counts": histogram.counts, "areas_m2": histogram.areas_m2},
    }


def _heading(layer: Layer, dim_index: tuple[int, ...]) -> dict[str, Any]:
    labels = _labels(layer, dim_index)
    return {
        "layer": layer.name,
        "title": layer.title,
        "units": layer.variable.units,
        "time": labels.pop(TIME, None),
        "dimensions": labels,
    }


def _labels(layer: Layer, dim_index: tuple[int, ...]) -> dict[str, str]:
    dimensions = zip(layer.variable.dimensions, dim_index, strict=True)
    return {parameter_name(dimension): dimension.labels[at] for dimension, at in dimensions}


async def point(request: web.Request) -> web.StreamResponse:
    """Answer with the value at a point."""
    query, context = _query(request), request.app[APP_CONTEXT]
    layer = context.store.layer(request.match_info["layer"])
    dim_index = leading_index(layer, query, label_of(layer, query.get("datetime")))
    return await _at_point(request, query, layer, [dim_index], is_series=False)


async def series(request: web.Request) -> web.StreamResponse:
    """Answer with the values at a point, through all times or those of an interval."""
    query, context = _query(request), request.app[APP_CONTEXT]
    layer = context.store.layer(request.match_info["layer"])
    steps = indices_of(layer, query.get("datetime"))
    if len(steps) > MAX_STEPS:
        raise InvalidParameterError("datetime", f"there are {len(steps)} times there, a series has {MAX_STEPS} at most")
    dim_index = leading_index(layer, query, "")
    where = next((i for i, dimension in enumerate(layer.variable.dimensions) if dimension.kind == "time"), None)
    indices = [dim_index] if where is None else [(*dim_index[:where], at, *dim_index[where + 1 :]) for at in steps]
    return await _at_point(request, query, layer, indices, is_series=True)


async def _at_point(
    request: web.Request, query: Query, layer: Layer, indices: list[tuple[int, ...]], *, is_series: bool
) -> web.Response:
    longitude, latitude = point_of(query)
    form = negotiate_format(request, query, MEDIA_TYPES)
    cell = cell_at(layer.dataset, longitude, latitude)

    context = request.app[APP_CONTEXT]
    values = read_values(
        await request.app[NUMBERS_QUEUE].run(context, _task(context, layer, tuple(indices), cell=cell))
    )
    labels = [_labels(layer, dim_index) for dim_index in indices]
    others = {name: label for name, label in labels[0].items() if name != TIME}
    shown = tuple(each[TIME] for each in labels if TIME in each)
    told = PointValues(layer, longitude, latitude, cell, others, shown, tuple(values))
    return _answer(request, told.written(form, is_series=is_series), MEDIA_TYPES[form])


def _task(
    context: AppContext,
    layer: Layer,
    indices: tuple[tuple[int, ...], ...],
    *,
    region: Region | None = None,
    options: StatisticsOptions | None = None,
    cell: PointCell | None = None,
) -> NumbersTask:
    settings, dataset = context.settings, layer.dataset
    return NumbersTask(
        str(settings.store.resolve()),
        dataset.name,
        dataset.generation,
        layer.variable.name,
        indices,
        region,
        options,
        cell,
        settings.timeout_s,
        settings.chunk_cache_bytes,
    )


def _query(request: web.Request) -> Query:
    return Query(request.rel_url.raw_query_string, request.app[APP_CONTEXT].settings.max_value_length)


def _answer(request: web.Request, body: bytes, media_type: str) -> web.Response:
    age_s = request.app[APP_CONTEXT].settings.latest_max_age_s
    headers = {"Cache-Control": f"public, max-age={age_s}", "Vary": "Accept, Accept-Encoding"}
    content_type = f"{media_type}; charset=utf-8" if media_type.startswith("text/") else media_type
    digest = hashlib.sha256(body).hexdigest() if request.method != "POST" else None
    return text_response(request, body, content_type, digest=digest, headers=headers)
