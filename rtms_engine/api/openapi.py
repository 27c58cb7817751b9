"""The description of the API (OpenAPI 3.1), made from its operations."""

import re
from collections.abc import Sequence
from http import HTTPStatus
from typing import Any

import msgspec

from .operation import Operation
from .problem import MEDIA_TYPE, Problem

_REF = "#/components/schemas/{name}"
SHARED_PROBLEMS = (400, 401, 403, 429)
"""What every operation may answer with."""


def describe(operations: Sequence[Operation], version: str) -> dict[str, Any]:
    """The whole description."""
    bodies = [row.body for row in operations if row.body is not None]
    answers = [one for row in operations for one in _answers(row)]
    queries = [row.query for row in operations]
    types = list({id(one): one for one in [Problem, *queries, *bodies, *answers]}.values())
    schemas, components = msgspec.json.schema_components(types, ref_template=_REF)
    schema_of = {id(one): schema for one, schema in zip(types, schemas, strict=True)}
    paths: dict[str, Any] = {}
    for row in operations:
        query = _resolved(schema_of[id(row.query)], components)
        path = re.sub(r":[^}]+}", "}", row.path)
        paths.setdefault(path, {})[row.method.lower()] = _operation(row, schema_of, query)
    hidden = {row.query.__name__ for row in operations}
    return {
        "openapi": "3.1.0",
        "info": {"title": "rtms_engine", "version": version, "license": {"name": "MIT", "identifier": "MIT"}},
        "paths": paths,
        "components": {
            "schemas": {name: schema for name, schema in components.items() if name not in hidden},
            "securitySchemes": {"bearer": {"type": "http", "scheme": "bearer"}},
        },
        "security": [{"bearer": []}, {}],
    }


def _operation(row: Operation, schema_of: dict[int, Any], query: dict[str, Any]) -> dict[str, Any]:
    described: dict[str, Any] = {
        "operationId": row.name,
        "summary": row.summary,
        "parameters": [*_path_parameters(row.path), *_query_parameters(query)],
        "responses": {str(row.status): _answer(row, schema_of)},
    }
    for status, meaning in row.other_statuses.items():
        described["responses"][str(status)] = {"description": meaning}
        if status == HTTPStatus.PARTIAL_CONTENT:
            described["responses"][str(status)]["content"] = _answer(row, schema_of)["content"]
    if row.description:
        described["description"] = row.description
    if row.body is not None:
        content = {"application/json": {"schema": schema_of[id(row.body)]}}
        described["requestBody"] = {"required": True, "content": content}
    problem = {"content": {MEDIA_TYPE: {"schema": schema_of[id(Problem)]}}}
    for status in sorted({*SHARED_PROBLEMS, *row.problems}):
        described["responses"][str(status)] = {"description": "A problem.", **problem}
    if row.scope is not None:
        described["x-scope"] = row.scope.value
    return described


def _answers(row: Operation) -> tuple[Any, ...]:
    if row.answer is None:
        return ()
    return row.answer if isinstance(row.answer, tuple) else (row.answer,)


def _answer(row: Operation, schema_of: dict[int, Any]) -> dict[str, Any]:
    if schemas := [schema_of[id(one)] for one in _answers(row)]:
        schema = schemas[0] if len(schemas) == 1 else {"oneOf": schemas}
        return {"description": "Done.", "content": {row.media_type: {"schema": schema}}}
    if row.media_types or row.media_type != "application/json":
        return {
            "description": "Done.",
            "content": {one: {} for one in row.media_types or (row.media_type,)},
        }
    return {"description": "Done."}


def _path_parameters(path: str) -> list[dict[str, Any]]:
    return [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
        for name in re.findall(r"{(\w+)", path)
    ]


def _query_parameters(schema: dict[str, Any]) -> list[dict[str, Any]]:
    required = schema.get("required", [])
    return [
        {"name": name, "in": "query", "required": name in required, "schema": field}
        for name, field in schema.get("properties", {}).items()
    ]


def _resolved(schema: dict[str, Any], components: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = components[schema["$ref"].rpartition("/")[2]]
    return found
