"""Numbers over HTTP: statistics of a region, the value at a point, time series.

``/numbers/{layer}/statistics`` (GET with a box, POST with a polygon), ``/numbers/{layer}/point`` and
``/numbers/{layer}/series``; ``subsets`` has a fourth address. The engine that renders tiles computes them, a few at a
time, within a time limit.
"""

from __future__ import annotations

import hashlib
from functools import partial
from typing import TYPE_CHECKING

from lazytile.pyramid.core.errors import InvalidParameterError
from lazytile.pyramid.numbers.statistics import cell_at
from lazytile.pyramid.numbers.task import NumbersTask, read_statistics, read_values
from lazytile.pyramid.store.generation_attempts import generation_attempts
from lazytile.service.admission.first_use import computed
from lazytile.service.http.documents import with_problem_responses
from lazytile.service.http.json_document import JSON, json_bytes
from lazytile.service.http.negotiation import negotiate_format
from lazytile.service.http.query import Query
from lazytile.service.http.reply import text_response
from lazytile.service.numbers.formats import MEDIA_TYPES, PointValues, statistics_document
from lazytile.service.numbers.request import box_of, options_of, point_of, polygon_of, steps_of
from lazytile.service.numbers.subsets import subset
from lazytile.service.protocol.datetime_parameter import indices_of, label_of
from lazytile.service.protocol.parameters import DATETIME
from lazytile.service.protocol.views import context_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aiohttp import web

    from lazytile.pyramid.catalog.dimensions import SelectedStep
    from lazytile.pyramid.numbers.region import Region
    from lazytile.pyramid.numbers.statistics import PointCell, StatisticsOptions
    from lazytile.pyramid.store.dataset import Dataset
    from lazytile.pyramid.store.layer import Layer
    from lazytile.service.protocol.context import AppContext

MAX_STEPS = 10_000
"""Most times in one series."""
SHORT_SERIES = 100
"""Values that are written in less than a millisecond."""
PROJECTION_MS = 10.0
"""Of a point that PROJ projects, with a transformation that PROJ has to choose first."""


def add_routes(router: web.UrlDispatcher) -> None:
    """Add the addresses.

    Args:
        router: The router of the application.
    """
    router.add_get("/numbers/{collectionId}/statistics", with_problem_responses(box_statistics))
    router.add_post("/numbers/{collectionId}/statistics", with_problem_responses(polygon_statistics))
    router.add_get("/numbers/{collectionId}/point", with_problem_responses(point))
    router.add_get("/numbers/{collectionId}/series", with_problem_responses(series))
    router.add_get("/numbers/{collectionId}/subset", with_problem_responses(subset))


async def box_statistics(request: web.Request) -> web.StreamResponse:
    """Respond with the statistics of a box."""
    query = _query(request)
    region = box_of(query)
    return await _statistics(request, query, region)


async def polygon_statistics(request: web.Request) -> web.StreamResponse:
    """Respond with the statistics of the GeoJSON polygon in the body."""
    body = await request.read()
    region = await context_of(request).admission.document(lambda: polygon_of(body))
    return await _statistics(request, _query(request), region)


async def _statistics(request: web.Request, query: Query, region: Region) -> web.Response:
    context = context_of(request)
    negotiate_format(request, query, {"json": JSON})
    options = options_of(query, context.settings)
    for attempt in generation_attempts():
        with attempt:
            name = request.match_info["collectionId"]
            layer = (await context.catalogue.at(name, again=attempt.is_repeated)).layer(name)
            make = partial(_task_of_region, context, layer, query, region, options)
            is_long = request.method == "POST"  # a polygon may have many corners
            steps, task = await (context.admission.document(make) if is_long else computed(context.admission, make))
            found = read_statistics(await context.broker.compute(task, layer.dataset))
    time = next((step.label for step in steps if step.is_time), None)
    document = statistics_document(layer, time, _other_labels(steps), found, options)
    return _answer(request, json_bytes(document), JSON)


def _task_of_region(
    context: AppContext, layer: Layer, query: Query, region: Region, options: StatisticsOptions
) -> tuple[tuple[SelectedStep, ...], NumbersTask]:
    """Return the step along each dimension, and the task of their statistics."""
    steps = steps_of(query, layer, label_of(layer, DATETIME.text(query)))
    return steps, _task(context, layer, (_index_of(steps),), region=region, options=options)


def _index_of(steps: Sequence[SelectedStep]) -> tuple[int, ...]:
    return tuple(step.index for step in steps)


def _other_labels(steps: Sequence[SelectedStep]) -> dict[str, str]:
    """Return the labels of the steps along all dimensions but time, by parameter name."""
    return {step.parameter: step.label for step in steps if not step.is_time}


async def point(request: web.Request) -> web.StreamResponse:
    """Respond with the value at a point."""
    return await _at_point(request, is_series=False)


async def series(request: web.Request) -> web.StreamResponse:
    """Respond with the values at a point, at all times or those of an interval."""
    return await _at_point(request, is_series=True)


async def _at_point(request: web.Request, *, is_series: bool) -> web.Response:
    context, query = context_of(request), _query(request)
    for attempt in generation_attempts():
        with attempt:
            name = request.match_info["collectionId"]
            layer = (await context.catalogue.at(name, again=attempt.is_repeated)).layer(name)
            choose = _steps_of_series if is_series else _steps_of_point
            steps, times = await computed(context.admission, partial(choose, query, layer))
            is_long = len(times) > SHORT_SERIES
            longitude, latitude = point_of(query, context.settings)
            form = negotiate_format(request, query, MEDIA_TYPES)
            cell = await _cell(context, layer.dataset, longitude, latitude)
            make = partial(_task_of_cell, context, layer, steps, times, cell)
            task = await context.admission.document(make) if is_long else make()
            found = await context.broker.compute(task, layer.dataset)

    def respond() -> web.Response:
        time = layer.variable.time
        labels = () if time is None else tuple(time.labels[at] for at in times)
        values = tuple(read_values(found))
        answer = PointValues(layer, longitude, latitude, cell, _other_labels(steps), labels, values)
        return _answer(request, answer.written(form, is_series=is_series), MEDIA_TYPES[form])

    return await (context.admission.document(respond) if is_long else computed(context.admission, respond))


def _task_of_cell(
    context: AppContext,
    layer: Layer,
    steps: tuple[SelectedStep, ...],
    times: Sequence[int],
    cell: PointCell | None,
) -> NumbersTask:
    return _task(context, layer, _indices_of(steps, times), cell=cell)


async def _cell(context: AppContext, dataset: Dataset, longitude: float, latitude: float) -> PointCell | None:
    """Return the cell at a point; in a thread where PROJ finds it."""
    if dataset.grid.is_geographic:
        return cell_at(dataset, longitude, latitude)
    return await context.admission.in_thread(
        context.admission.class_of(PROJECTION_MS), lambda _: cell_at(dataset, longitude, latitude)
    )


def _steps_of_point(query: Query, layer: Layer) -> tuple[tuple[SelectedStep, ...], Sequence[int]]:
    """Return the step along each dimension, and the one time among them."""
    steps = steps_of(query, layer, label_of(layer, DATETIME.text(query)))
    return steps, [step.index for step in steps if step.is_time]


def _steps_of_series(query: Query, layer: Layer) -> tuple[tuple[SelectedStep, ...], Sequence[int]]:
    """Return the step along each dimension, and the times of the series instead of the one among them."""
    times = indices_of(layer, DATETIME.text(query))
    if len(times) > MAX_STEPS:
        raise InvalidParameterError(
            "datetime", f"datetime selects {len(times)} times, a series has at most {MAX_STEPS}"
        )
    return steps_of(query, layer, ""), times


def _indices_of(steps: Sequence[SelectedStep], times: Sequence[int]) -> tuple[tuple[int, ...], ...]:
    """Return the index along the dimensions for each time; one index for a layer without times."""
    if not any(step.is_time for step in steps):
        return (_index_of(steps),)
    return tuple(tuple(at if step.is_time else step.index for step in steps) for at in times)


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
    )


def _query(request: web.Request) -> Query:
    return Query(request.rel_url.raw_query_string, context_of(request).settings.max_value_length)


def _answer(request: web.Request, body: bytes, media_type: str) -> web.Response:
    age_s = context_of(request).settings.latest_max_age_s
    headers = {"Cache-Control": f"public, max-age={age_s}", "Vary": "Accept, Accept-Encoding"}
    content_type = f"{media_type}; charset=utf-8" if media_type.startswith("text/") else media_type
    digest = hashlib.sha256(body).hexdigest() if request.method != "POST" else None
    return text_response(request, body, content_type, digest=digest, headers=headers)
