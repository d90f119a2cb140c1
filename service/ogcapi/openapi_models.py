"""The objects of an OpenAPI definition (OpenAPI Specification 3.0.3), those of their members that we use."""

from __future__ import annotations

from pydantic import Field

from lazytile.service.http.json_document import CamelDocument, JsonDocument
from lazytile.service.http.parameters import Schema


class Info(JsonDocument):
    """Metadata of the API (OpenAPI 3.0.3, Info Object)."""

    title: str
    version: str
    description: str


class ApiServer(JsonDocument):
    """Address of the API (OpenAPI 3.0.3, Server Object)."""

    url: str


class Reference(JsonDocument):
    """A reference to a component (OpenAPI 3.0.3, Reference Object)."""

    ref: str = Field(serialization_alias="$ref")


class ParameterObject(JsonDocument):
    """A parameter of operations (OpenAPI 3.0.3, Parameter Object)."""

    name: str
    location: str = Field(serialization_alias="in")
    required: bool
    description: str
    schema_: Schema = Field(serialization_alias="schema")
    style: str | None = None
    explode: bool | None = None


class MediaType(JsonDocument):
    """Content of a media type (OpenAPI 3.0.3, Media Type Object)."""

    schema_: Schema = Field(serialization_alias="schema")


class RequestBody(JsonDocument):
    """The body of a request (OpenAPI 3.0.3, Request Body Object)."""

    required: bool
    content: dict[str, MediaType]


class ResponseObject(JsonDocument):
    """A response by its status (OpenAPI 3.0.3, Response Object)."""

    description: str
    content: dict[str, MediaType] | None = None


class OperationObject(CamelDocument):
    """What one method of a path does (OpenAPI 3.0.3, Operation Object)."""

    operation_id: str
    summary: str
    parameters: list[Reference]
    request_body: RequestBody | None = None
    responses: dict[str, ResponseObject]


class Components(JsonDocument):
    """What operations refer to (OpenAPI 3.0.3, Components Object)."""

    schemas: dict[str, Schema]
    parameters: dict[str, ParameterObject]


class OpenApi(JsonDocument):
    """The definition (OpenAPI 3.0.3, OpenAPI Object)."""

    openapi: str
    info: Info
    servers: list[ApiServer]
    paths: dict[str, dict[str, OperationObject]]
    """Operations by path and method."""
    components: Components
