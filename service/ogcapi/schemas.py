"""The schemas of documents, generated from their models in the dialect of OpenAPI 3.0.3.

Pydantic generates JSON Schema 2020-12. OpenAPI 3.0.3 has ``nullable`` instead of the type null, no ``const``, and no
arrays with a schema for each item.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic.json_schema import GenerateJsonSchema, models_json_schema

from lazytile.pyramid.core import process

if TYPE_CHECKING:
    from lazytile.service.http.json_document import JsonDocument
    from lazytile.service.http.parameters import Schema

_NULL: Schema = {"type": "object", "nullable": True, "enum": [None]}
REFERENCE = "#/components/schemas/{model}"


class _OpenApiSchema(GenerateJsonSchema):
    """Generates schemas in the dialect of OpenAPI 3.0.3 (Schema Object)."""

    def nullable_schema(self, schema: Any) -> Schema:
        inner = self.generate_inner(schema["schema"])
        # A schema with ``$ref`` ignores ``nullable``, so null is an alternative.
        return {"anyOf": [inner, _NULL]} if "$ref" in inner else {**inner, "nullable": True}

    def default_schema(self, schema: Any) -> Schema:
        """Return the schema of a member that may be absent: it is never null."""
        inner = self.generate_inner(schema["schema"])
        inner.pop("nullable", None)
        return inner["anyOf"][0] if _NULL in inner.get("anyOf", ()) else inner

    def literal_schema(self, schema: Any) -> Schema:
        return {"type": "string", "enum": list(schema["expected"])}

    def tuple_schema(self, schema: Any) -> Schema:
        items = [self.generate_inner(item) for item in schema["items_schema"]]
        # A whole number is a number, so that a position with a zoom has one schema of items.
        common = items[0] if all(item in (items[0], {"type": "integer"}) for item in items) else {}
        return {"type": "array", "items": common, "minItems": len(items), "maxItems": len(items)}

    def field_title_should_be_set(self, schema: Any) -> bool:
        """Return False: a title would repeat the member's name."""
        del schema
        return False


def document_schemas(models: tuple[type[JsonDocument], ...]) -> tuple[dict[type[JsonDocument], Schema], Schema]:
    """Return the schemas of documents.

    Args:
        models: Classes of the documents.

    Returns:
        A reference to the schema of each class, and the schemas by name, with those of their members.
    """
    return process.current().resource(("schemas of documents", models), lambda: _generate(models))


def _generate(models: tuple[type[JsonDocument], ...]) -> tuple[dict[type[JsonDocument], Schema], Schema]:
    references, definitions = models_json_schema(
        [(model, "serialization") for model in models], ref_template=REFERENCE, schema_generator=_OpenApiSchema
    )
    schemas = definitions["$defs"]
    for schema in schemas.values():
        # Only the summary of a docstring is for clients, and it is not reStructuredText to them.
        schema["description"] = schema["description"].partition("\n\n")[0].replace("``", "")
    return {model: references[model, "serialization"] for model in models}, schemas
