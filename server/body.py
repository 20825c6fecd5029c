"""Request bodies, read with a bound: JSON objects and forms. Everything that is wrong with one has its own status."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import parse_qsl

from starlette.requests import Request

JSON_BYTES_MAX = 65_536
FORM_BYTES_MAX = 8_192
FORM_FIELDS_MAX = 20
DEPTH_MAX = 20

JSON_TYPE = "application/json"
FORM_TYPE = "application/x-www-form-urlencoded"


class BadBody(Exception):
    """A body that cannot be read. ``status`` is 400, 413 or 415; ``reason`` never repeats the body."""

    def __init__(self, status: int, code: str, reason: str) -> None:
        super().__init__(reason)
        self.status = status
        self.code = code
        self.reason = reason


async def json_object(request: Request, *, bytes_max: int = JSON_BYTES_MAX, optional: bool = False) -> dict[str, Any]:
    """The JSON object in the body; with ``optional``, an empty body is an empty object.

    :raises BadBody: another content type, too large, too deep, not JSON, or no object.
    """
    sent = media_type(request)
    if optional and sent is None:
        if await bounded_body(request, bytes_max):
            raise BadBody(415, "unsupported_media_type", f"Send the body as {JSON_TYPE}.")
        return {}
    if sent != JSON_TYPE:
        raise BadBody(415, "unsupported_media_type", f"Send the body as {JSON_TYPE}.")
    raw = await bounded_body(request, bytes_max)
    if optional and not raw.strip():
        return {}
    value = parsed_json(raw)
    if not isinstance(value, dict):
        raise BadBody(400, "malformed_json", "The body must be a JSON object.")
    return value


def parsed_json(raw: bytes) -> object:
    """JSON in UTF-8 (RFC 8259), without duplicate names, NaN, halves of surrogate pairs or absurd depth.

    :raises BadBody: otherwise.
    """
    try:
        value: object = json.loads(raw.decode("utf-8"), object_pairs_hook=_distinct, parse_constant=_no_constant)
    except (ValueError, RecursionError):
        raise BadBody(400, "malformed_json", "The body is not JSON in UTF-8, or names a field twice.") from None
    _check(value)
    return value


async def form_fields(request: Request) -> dict[str, str]:
    """The fields of an URL-encoded form, each at most once (RFC 6749 §3.1).

    :raises BadBody: another content type, too large, too many fields, or one named twice.
    """
    if media_type(request) != FORM_TYPE:
        raise BadBody(415, "unsupported_media_type", f"Send the body as {FORM_TYPE}.")
    pairs = form_pairs(await bounded_body(request, FORM_BYTES_MAX))
    fields = dict(pairs)
    if len(fields) != len(pairs):
        raise BadBody(400, "invalid_request", "The form names a field twice.")
    return fields


def form_pairs(raw: bytes) -> list[tuple[str, str]]:
    """Return the names and values of a URL-encoded form.

    :raises BadBody: when it cannot be read or has too many fields.
    """
    try:
        return parse_qsl(
            raw.decode("ascii"),
            keep_blank_values=True,
            strict_parsing=bool(raw),
            max_num_fields=FORM_FIELDS_MAX,
            errors="strict",
        )
    except ValueError:
        raise BadBody(400, "invalid_request", "The form cannot be read.") from None


def media_type(request: Request) -> str | None:
    """The content type without its parameters, in lower case; None when there is none.

    A charset other than UTF-8 makes it a type that nothing here takes.
    """
    value = request.headers.get("content-type")
    if value is None or not value.strip():
        return None
    name, *parameters = (part.strip().lower() for part in value.split(";"))
    for parameter in parameters:
        key, _, charset = parameter.partition("=")
        if key.strip() == "charset" and charset.strip().strip('"') not in ("utf-8", "utf8"):
            return f"{name}; {parameter}"
    return name


async def bounded_body(request: Request, bytes_max: int) -> bytes:
    """The raw body.

    :raises BadBody: 413 when it has more than ``bytes_max`` bytes.
    """
    too_large = BadBody(413, "too_large", f"The body may have at most {bytes_max} bytes.")
    length = request.headers.get("content-length", "")
    if length.isascii() and length.isdigit() and (len(length) > 15 or int(length) > bytes_max):
        raise too_large
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > bytes_max:
            raise too_large
    return bytes(body)


def _distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a name stands twice")
    return found


def _no_constant(_name: str) -> object:
    raise ValueError("NaN and Infinity are no JSON")


def _check(value: object) -> None:
    """Depth and well-formed text, without recursion."""
    level: list[object] = [value]
    for _ in range(DEPTH_MAX):
        deeper: list[object] = []
        for one in level:
            if isinstance(one, dict):
                deeper += [*one.keys(), *one.values()]
            elif isinstance(one, list):
                deeper += one
            elif isinstance(one, str) and not _encodable(one):
                raise BadBody(400, "malformed_json", "The body holds half of a surrogate pair.")
        if not deeper:
            return
        level = deeper
    raise BadBody(400, "malformed_json", f"The body is nested deeper than {DEPTH_MAX} levels.")


def _encodable(text: str) -> bool:
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True
