"""`docs/openapi.yaml`, and the check that a response is one that it describes."""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

import jsonschema_rs
from samtranslator.yaml_helper import yaml_parse

from tests.local.stack import ROOT

DOCUMENT = ROOT / "docs" / "openapi.yaml"


@cache
def document() -> dict[str, Any]:
    """Return the document."""
    loaded: dict[str, Any] = yaml_parse(DOCUMENT.read_text())
    return loaded


@cache
def strict_document() -> dict[str, Any]:
    """Return the document with schemas that allow no undocumented field.

    The document itself allows them, because responses can get new fields.
    """
    strict = copy.deepcopy(document())
    for name, schema in strict["components"]["schemas"].items():
        # Two schemas are parts of others, which name further fields.
        if name not in ("Problem", "TokenErrors", "TokenRequest"):
            _close(schema)
    return strict


def _close(schema: dict[str, Any]) -> None:
    if "properties" in schema and "additionalProperties" not in schema:
        schema["unevaluatedProperties"] = False
        for value in schema["properties"].values():
            _close(value)


def operations() -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Yield the method in upper case, the path and the description of each operation."""
    for path, item in document()["paths"].items():
        for method, operation in item.items():
            yield method.upper(), path, operation


def resolve(value: Any) -> Any:
    """Return what a `$ref` refers to; any other value unchanged."""
    if not isinstance(value, dict) or value.keys() != {"$ref"}:
        return value
    found: Any = strict_document()
    for name in value["$ref"].removeprefix("#/").split("/"):
        found = found[name]
    return found


def error_codes(operation: Mapping[str, Any]) -> set[tuple[str, str]]:
    """Return the status and the code of each error response that has a code."""
    found = set()
    for status, response in operation["responses"].items():
        for media_type in resolve(response).get("content", {}).values():
            schema = media_type["schema"]
            for option in schema.get("oneOf", [schema]):
                name = option.get("$ref", "").rpartition("/")[2]
                if re.fullmatch(r"[a-z_]+", name):
                    found.add((status, name))
    return found


def violations(schema: Mapping[str, Any], value: Any) -> list[str]:
    """Return what a schema of the document does not allow in a value."""
    errors = _validator(json.dumps(schema)).iter_errors(value)
    return [f"{'.'.join(map(str, error.instance_path))}: {error.message}" for error in errors]


@cache
def _validator(schema: str) -> jsonschema_rs.Draft202012Validator:
    components = {"components": strict_document()["components"]}
    return jsonschema_rs.Draft202012Validator(json.loads(schema) | components, validate_formats=True)


def undocumented(method: str, path: str, status: int, headers: Mapping[str, str], text: str) -> list[str]:
    """Return what the document does not describe about the response to a request of a route that it has."""
    operation = _operation(method, path)
    if operation is None:
        return []
    responses = operation["responses"]
    response = resolve(responses.get(str(status), responses.get(f"{status // 100}XX")))
    if response is None:
        return [f"status {status}"]
    found = []
    for name, header in response.get("headers", {}).items():
        value, header = headers.get(name), resolve(header)
        if value is not None:
            found += [f"{name}{error}" for error in violations(header["schema"], value)]
        elif header.get("required"):
            found.append(f"{name}: missing")
    if "content" not in response:
        return [*found, *(["a body"] if text else [])]
    media_type = response["content"].get(headers.get("content-type", ""))
    if media_type is None:
        return [*found, f"content type {headers.get('content-type')}"]
    value = json.loads(text) if headers["content-type"].endswith("json") else text
    return [*found, *violations(media_type["schema"], value)]


def _operation(method: str, path: str) -> dict[str, Any] | None:
    for pattern, item in strict_document()["paths"].items():
        expression = re.escape(pattern).replace(re.escape("/{file}"), "/[^/]+" if pattern == "/{file}" else "/.+")
        if re.fullmatch(expression, path.partition("?")[0]):
            found: dict[str, Any] | None = item.get(method.lower())
            return found
    return None
