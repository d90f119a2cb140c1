"""The OpenAPI 3.0 definition of what is served by address: OGC API - Tiles, XYZ, numbers, legends.

It is derived: paths from the routes of the application, parameters from the objects that read them, schemas from the
models of the documents.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from lazytile import __version__
from lazytile.service.access.gate import UNLIMITED
from lazytile.service.http.documents import HTML
from lazytile.service.http.json_document import JSON, JsonDocument
from lazytile.service.http.problems import PROBLEM_TYPE, Problem
from lazytile.service.ogcapi.openapi_models import (
    ApiServer,
    Components,
    Info,
    MediaType,
    OpenApi,
    OperationObject,
    ParameterObject,
    Reference,
    RequestBody,
    ResponseObject,
)
from lazytile.service.ogcapi.operations import OPERATIONS, PROBLEMS
from lazytile.service.ogcapi.schemas import document_schemas

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from aiohttp import web

    from lazytile.service.http.parameters import Parameter, Schema
    from lazytile.service.http.settings import Settings
    from lazytile.service.ogcapi.operation import Content, Operation

OPENAPI_VERSION = "3.0.3"
_NOT_MODIFIED = ResponseObject(description="The client has the current answer")


def definition(base_url: str, settings: Settings, routes: Iterable[web.AbstractRoute]) -> OpenApi:
    """Return the definition of the operations that the application has a route for.

    Args:
        base_url: Address of the server as the client sees it, without a slash at its end.
        settings: Where the title and the bounds of parameters come from.
        routes: The routes of the application.

    Returns:
        The document.
    """
    served = {(route.method, route.resource.canonical) for route in routes if route.resource is not None}
    operations = [each for each in OPERATIONS if (each.method, each.route) in served]
    paths: dict[str, dict[str, OperationObject]] = {}
    parameters: dict[str, Parameter] = {}
    problems = _problems()
    for each in operations:
        paths.setdefault(each.path or each.route, {})[each.method.lower()] = _operation(each, problems, settings)
        parameters |= {parameter.component: parameter for parameter in each.parameters}
    return OpenApi(
        openapi=OPENAPI_VERSION,
        info=Info(title=settings.capabilities_title, version=__version__, description="Scientific grids as map tiles"),
        servers=[ApiServer(url=base_url)],
        paths=paths,
        components=Components(
            schemas=document_schemas(_MODELS)[1],
            parameters={name: _parameter(each, settings) for name, each in parameters.items()},
        ),
    )


def _models(contents: Iterable[Content]) -> Iterable[type[JsonDocument]]:
    for content in contents:
        if isinstance(content, tuple):
            yield from content
        elif isinstance(content, type):
            yield content


_MODELS: tuple[type[JsonDocument], ...] = tuple(
    dict.fromkeys(
        (Problem, *_models(content for each in OPERATIONS for content in (*each.content.values(), each.body)))
    )
)
"""Every document that an operation takes or answers with, each once."""


def _schema(content: Content) -> Schema:
    if isinstance(content, tuple):
        return {"oneOf": [_schema(each) for each in content]}
    return document_schemas(_MODELS)[0][content] if isinstance(content, type) else content


def _parameter(parameter: Parameter, settings: Settings) -> ParameterObject:
    return ParameterObject(
        name=parameter.name,
        location=parameter.location,
        required=parameter.is_required,
        description=parameter.description,
        schema_=parameter.schema(settings),
        **parameter.style(),
    )


def _problems() -> dict[int, ResponseObject]:
    """Return the responses with problem documents, which all operations share."""
    problem = {PROBLEM_TYPE: MediaType(schema_=_schema(Problem))}
    return {status: ResponseObject(description=text, content=problem) for status, text in PROBLEMS.items()}


def _refusals(operation: Operation, settings: Settings) -> Iterable[int]:
    """Yield what a client may get that has no right to an answer, with these settings."""
    path, is_for_monitors = operation.path or operation.route, operation.route in UNLIMITED
    if settings.layer_tokens:
        yield 401
        if any(f"{{{name}}}" in path for name in ("collectionId", "datasetId")):
            yield 403
    has_links = HTML in operation.content or path.startswith("/stac") or path.endswith(".json")
    if settings.allowed_hosts and settings.public_url is None and has_links:
        yield 421
    if settings.rate_limit is not None and not is_for_monitors:
        yield 429


def _operation(operation: Operation, problems: Mapping[int, ResponseObject], settings: Settings) -> OperationObject:
    responses = {"200": ResponseObject(description="The answer", content=_content(operation.content))}
    if operation.is_conditional:
        responses["304"] = _NOT_MODIFIED
    if operation.not_ready:
        responses["503"] = ResponseObject(description=operation.not_ready, content=_content(operation.content))
    statuses = sorted({*operation.problems, *_refusals(operation, settings)})
    responses |= {str(status): problems[status] for status in statuses}
    body = RequestBody(required=True, content=_content({JSON: operation.body})) if operation.body else None
    return OperationObject(
        operation_id=operation.identifier,
        summary=operation.summary,
        parameters=[Reference(ref=f"#/components/parameters/{each.component}") for each in operation.parameters],
        request_body=body,
        responses=responses,
    )


def _content(contents: Mapping[str, Content]) -> dict[str, MediaType]:
    return {media_type: MediaType(schema_=_schema(content)) for media_type, content in contents.items()}
