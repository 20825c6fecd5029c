"""The OpenAPI document in tests: every answer of the server is held to it, and bodies are made from its schemas."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from copy import deepcopy
from datetime import date
from functools import cache
from typing import Any

import httpx
from hypothesis import strategies as st
from openapi_schema_validator import OAS31Validator, oas31_format_checker

from spacekey.server.http.openapi import document
from spacekey.server.http.routes import OPERATIONS

Json = dict[str, Any]
UNKNOWN_ADDRESS = (404, 405)
"""What an address or a method without an operation may answer, as a problem document."""
BY_DEFAULT = (408, 431, 500)
"""Statuses that the document does not list one by one: those of the connection, and bugs."""
BESIDE = {
    "content-type", "content-length", "content-encoding", "transfer-encoding", "date", "server", "connection",
    "x-content-type-options", "referrer-policy", "x-frame-options", "cross-origin-resource-policy",
    "content-security-policy", "access-control-allow-origin", "access-control-expose-headers",
}  # fmt: skip
"""Headers that the document leaves out: those of the transport, and those by which browsers confine a page."""


async def check_answer(response: httpx.Response) -> None:
    """Hold one answer to the document. Pages of the dashboard and GraphiQL are not in it, and not looked at.

    :raises AssertionError: the operation, its status, the media type, a header or a member is not declared, or a
        header is missing.
    """
    await response.aread()
    method, path, status = response.request.method.lower(), response.request.url.path, response.status_code
    item = _item(path)
    if item is None or method in ("head", "options"):
        return
    operation = item.get("get" if path.endswith("/authorize") else method)  # which answers any method alike
    if operation is None:
        assert status in UNKNOWN_ADDRESS or status in (401, 429, 503), (method, path, status)
        return
    where = f"{method} {path} -> {status}"
    declared = operation["responses"].get("default" if status in BY_DEFAULT else str(status))
    assert declared is not None, f"{where} is not declared"
    check_headers(resolved(declared).get("headers", {}), response.headers, where)
    check_content(resolved(declared), response.headers.get("content-type", ""), response.content, where)


def check_headers(declared: Json, headers: httpx.Headers, where: str) -> None:
    """Hold headers to those of one response of the document: their names, and the values of each."""
    known = {name.lower(): resolved(one) for name, one in declared.items()}
    undeclared = headers.keys() - known.keys() - BESIDE
    assert not undeclared, f"{where} has undeclared headers: {sorted(undeclared)}"
    for name, one in known.items():
        values_of = headers.get_list(name)
        assert values_of or not one.get("required"), f"{where} lacks the header '{name}'"
        for text in values_of:
            value = int(text) if one["schema"]["type"] == "integer" and text.isdecimal() else text
            faults = [error.message for error in validator(one["schema"]).iter_errors(value)]
            assert not faults, f"{where}, {name}: {faults}"


def check_content(declared: Json, media: str, body: bytes, where: str) -> None:
    """Hold a body to one response of the document."""
    content = declared.get("content", {})
    if not content:
        assert body == b"", f"{where} has a body that is not declared"
        return
    kind = media.partition(";")[0].strip()
    assert kind in content, f"{where} has the undeclared media type '{kind}'"
    if kind.endswith("json"):
        faults = sorted(error.message for error in validator(content[kind]["schema"]).iter_errors(json.loads(body)))
        assert not faults, f"{where}: {faults}"


def validator(schema: Json, *, closed: bool = True) -> OAS31Validator:
    """A validator of one schema of the document.

    :param closed: whether members that are not declared are faults, though clients must tolerate them.
    """
    return OAS31Validator(
        {**(_closed(schema) if closed else schema), "components": _components(closed)},
        format_checker=oas31_format_checker,
    )


def resolved(value: Json) -> Json:
    """The object itself where it stands as a reference."""
    if "$ref" not in value:
        return value
    found: Any = api_document()
    for name in value["$ref"].removeprefix("#/").split("/"):
        found = found[name]
    return dict(found)


@cache
def api_document() -> Json:
    """The document of this version."""
    return document(OPERATIONS)


@cache
def _components(closed: bool) -> Mapping[str, Any]:
    components: Json = deepcopy(api_document()["components"])
    return _closed(components) if closed else components


def _closed(schema: Any) -> Any:
    """The schema, with no members but the declared ones wherever some are."""
    if isinstance(schema, list):
        return [_closed(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    inner = {name: _closed(value) for name, value in schema.items()}
    if schema.get("type") in ("object", ["object", "null"]) and schema.get("properties"):
        inner.setdefault("additionalProperties", False)
    return inner


@cache
def _items() -> list[tuple[re.Pattern[str], Json]]:
    paths = api_document()["paths"]
    return [(re.compile(re.sub(r"\{\w+\}", "[^/]+", path)), item) for path, item in paths.items()]


def _item(path: str) -> Json | None:
    return next((item for pattern, item in _items() if pattern.fullmatch(path)), None)


MOMENTS = st.builds(
    "{}{}{}{}".format,
    st.dates(min_value=date(1970, 1, 1), max_value=date(2200, 1, 1)),
    st.sampled_from(["T", "t"]),
    st.times().map(lambda time: time.isoformat()),
    st.sampled_from(["Z", "z", "+02:00", "-23:59"]),
)
TEXT = st.characters(exclude_categories=["Cs"])
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(TEXT),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(TEXT), inner),
)


def values(schema: Json) -> st.SearchStrategy[Any]:
    """JSON values that a schema of the document allows.

    :raises ValueError: the schema uses a keyword that is not known here.
    """
    known = {"type", "enum", "anyOf", "format", "pattern", "title", "description", "default", "items", "properties"}
    known |= {"required", "additionalProperties", "dependentRequired", "$ref"}
    known |= {f"{bound}{what}" for bound in ("min", "max") for what in ("Length", "Items", "imum")}
    if not schema.keys() <= known:
        raise ValueError(f"no strategy for {sorted(schema.keys() - known)}")
    if "$ref" in schema:
        return values(resolved(schema))
    if "anyOf" in schema:
        return st.one_of([values(one) for one in schema["anyOf"]])
    if isinstance(schema.get("type"), list):
        named = [one for one in schema.get("enum", ()) if one is not None]
        given = {**schema, **({"enum": named} if named else {})}
        return st.one_of([values({**given, "type": one}) if one != "null" else st.none() for one in schema["type"]])
    if "enum" in schema:
        return st.sampled_from(schema["enum"])
    if schema.get("format") == "date-time":
        return MOMENTS
    if "pattern" in schema:
        return st.from_regex(schema["pattern"], fullmatch=True)
    match schema.get("type"):
        case "string":
            return st.text(TEXT, min_size=schema.get("minLength", 0), max_size=schema.get("maxLength"))
        case "integer":
            return st.integers(schema.get("minimum"), schema.get("maximum"))
        case "boolean":
            return st.booleans()
        case "null":
            return st.none()
        case "array":
            return st.lists(
                values(schema["items"]), min_size=schema.get("minItems", 0), max_size=schema.get("maxItems")
            )
        case "object":
            return _objects(schema)
    return ANYTHING


def _objects(schema: Json) -> st.SearchStrategy[Json]:
    required = schema.get("required", [])
    members = {name: values(one) for name, one in schema.get("properties", {}).items()}
    if not members:
        return st.dictionaries(st.text(TEXT), ANYTHING)

    def allowed(found: Json) -> bool:
        needs = schema.get("dependentRequired", {})
        return all(found.keys() >= set(needed) for name, needed in needs.items() if name in found)

    needed = {name: members[name] for name in required}
    optional = {name: one for name, one in members.items() if name not in required}
    return st.fixed_dictionaries(needed, optional=optional).filter(allowed)
