"""Bounded reading of request bodies, forms and queries, and their validation as models.

A request is valid as a whole, or refused with a remedy for each of its errors. Values are not coerced,
fields that a model does not have are refused with near matches, and no message repeats a value. Bodies are bounded in
bytes, depth and number of fields, and read as strict JSON (RFC 8259) or as a URL-encoded form (RFC 6749 §3.1).
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, ClassVar, TypeVar, Union, get_args
from urllib.parse import parse_qsl, urlencode

from pydantic import (
    BaseModel,
    ConfigDict,
    GetCoreSchemaHandler,
    PlainValidator,
    ValidationError,
    WithJsonSchema,
    model_validator,
)
from pydantic_core import CoreSchema, ErrorDetails, PydanticCustomError, core_schema
from starlette.requests import Request

from spacekey.domain.ids import id_prefix
from spacekey.domain.page import Page
from spacekey.domain.refusal import Fault, InputCode, InvalidInput, NotFound, UserError
from spacekey.domain.suggest import did_you_mean
from spacekey.domain.unset import Unset
from spacekey.resolvers.tokens.idempotency import KEY_LENGTH_MAX
from spacekey.server.timestamps import read_moment

JSON_BYTES_MAX = 65_536
FORM_BYTES_MAX = 8_192
FORM_FIELDS_MAX = 20
DEPTH_MAX = 20
JSON_TYPE = "application/json"
MERGE_PATCH_TYPE = "application/merge-patch+json"
"""JSON in which null removes a member (RFC 7396)."""
FORM_TYPE = "application/x-www-form-urlencoded"
NAMED_LENGTH_MAX = 60
FAULTS_MAX = 50
"""The most faults of one request that are listed."""

T = TypeVar("T")

_QUOTED = re.compile(rf'"((?:[ !#-\[\]-~]|\\["\\]){{1,{KEY_LENGTH_MAX}}})"', re.ASCII)
_PLAIN = re.compile(rf"[!#-+\--:<-\[\]-~]{{1,{KEY_LENGTH_MAX}}}", re.ASCII)

_REASONS = {
    "missing": (InputCode.REQUIRED, "Is required."),
    "string_type": (InputCode.INVALID_TYPE, "Must be a string."),
    "bool_type": (InputCode.INVALID_TYPE, "Must be true or false."),
    "dict_type": (InputCode.INVALID_TYPE, "Must be an object."),
    "list_type": (InputCode.INVALID_TYPE, "Must be a list of objects."),
    "model_type": (InputCode.INVALID_TYPE, "Must be an object."),
    "too_short": (InputCode.TOO_FEW, "Send at least {min_length}."),
    "too_long": (InputCode.TOO_MANY, "Send at most {max_length} at once."),
}
"""Pydantic's error types → our codes and messages; other errors come from our own validators with theirs."""


class RequestModel(BaseModel):
    """Base of all request models: strict, without unknown fields, and immutable."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True, hide_input_in_errors=True, defer_build=True)
    repeatable: ClassVar[frozenset[str]] = frozenset()
    """Parameters of a query that may be given more than once."""
    separator: ClassVar[str] = ","
    """What the values of a repeated parameter are joined by."""

    @model_validator(mode="before")
    @classmethod
    def _refuse_unknown_fields(cls, given: object) -> object:
        """Refuse unknown fields, which are mostly misspelled and would be ignored without the client's notice.

        This runs before other checks, so that a body of unknown fields causes one error and not one for each.
        """
        if not isinstance(given, dict) or given.keys() <= cls.__pydantic_fields__.keys():
            return given
        unknown = unknown_field(cls, given)
        if unknown is not None:
            raise refused(unknown.reason, InputCode.UNKNOWN_FIELD, unknown.field)
        return given


M = TypeVar("M", bound=RequestModel)


class FormModel(RequestModel):
    """Base of OAuth forms. Their unknown fields are ignored (RFC 6749 §3.1)."""

    model_config = ConfigDict(extra="ignore")


async def json_body(
    request: Request,
    model: type[M],
    *,
    bytes_max: int = JSON_BYTES_MAX,
    optional: bool = False,
    types: Sequence[str] = (JSON_TYPE,),
) -> M:
    """Return the JSON body as the model.

    :param types: the media types that are accepted.
    :param optional: whether an empty body counts as an empty object.
    :raises BadBody: the body cannot be read.
    :raises InvalidInput: it does not fit the model; names every fault.
    """
    return validated(model, await json_object(request, bytes_max=bytes_max, optional=optional, types=types))


def query_of(request: Request, model: type[M]) -> M:
    """Return the query of the address as the model.

    :raises InvalidInput: a parameter is unknown, with near matches, or has an invalid value.
    :raises BadBody: a parameter is given twice that is not one of ``model.repeatable``, whose values are joined.
    """
    given = request.query_params.multi_items()
    found = dict(given)
    if len(found) < len(given):
        unknown = unknown_field(model, found)
        if unknown is not None:
            raise unknown
        names = [name for name, _ in given]
        twice = next((name for name in names if names.count(name) > 1 and name not in model.repeatable), None)
        if twice is not None:
            raise BadBody(400, "repeated_parameter", f"Give '{twice[:NAMED_LENGTH_MAX]}' once.")
        found |= {
            one: model.separator.join(value for name, value in given if name == one)
            for one in model.repeatable & {*names}
        }
    return validated(model, found)


def validated(model: type[M], given: Mapping[str, object], also: Sequence[Fault] = ()) -> M:
    """Return the model of these fields.

    :param also: faults that were found otherwise, such as of two fields together.
    :raises InvalidInput: they do not fit the model, or there are other faults; names every fault.
    """
    try:
        made = model.model_validate(given)
    except ValidationError as error:
        raise InvalidInput.of([*_faults(error), *also]) from None
    if also:
        raise InvalidInput.of(also)
    return made


def unknown_field(model: type[RequestModel], given: Mapping[str, object]) -> InvalidInput | None:
    """Return the error for the first field that the model neither has nor ignores; None if there is none."""
    known = model.__pydantic_fields__
    if given.keys() <= known.keys() or model.model_config.get("extra") == "ignore":
        return None
    name = next(name for name in given if name not in known)
    shown = name[:NAMED_LENGTH_MAX] if name.isprintable() else "(unprintable)"
    return InvalidInput(shown, f"There is no such field.{did_you_mean(name, known)}", InputCode.UNKNOWN_FIELD)


def following_page(request: Request, page: Page[Any]) -> tuple[str | None, dict[str, str]]:
    """Return the cursor of the page that follows, and the header ``Link`` to it (RFC 8288); None on the last page.

    The link is relative to the request: its host and scheme may be those of a proxy.
    """
    if not page.has_next or not page.cursors:
        return None, {}
    kept = [(name, value) for name, value in request.query_params.multi_items() if name != "after"]
    return page.cursors[-1], {"Link": f'<?{urlencode([*kept, ("after", page.cursors[-1])])}>; rel="next"'}


def one_figure(figures: Sequence[T | UserError]) -> T:
    """Return the one figure that was asked for.

    :raises Refusal: if it was refused.
    """
    (found,) = figures
    if isinstance(found, UserError):
        raise found
    return found


def an_id(value: str, prefix: str, what: str) -> str:
    """Return the id if it has the format of an id, so that the database is not asked about other text.

    :raises NotFound: otherwise, as for an unknown id.
    """
    if id_prefix(value) != prefix:
        raise NotFound(what)
    return value


def _faults(error: ValidationError) -> list[Fault]:
    return [_fault(one) for one in error.errors(include_url=False, include_input=False)[:FAULTS_MAX]]


def _fault(error: ErrorDetails) -> Fault:
    kind, context = error["type"], error.get("ctx", {})
    place = [str(one) for one in error["loc"]] + ([context["field"]] if "field" in context else [])
    code, reason = _REASONS.get(kind, (context.get("code", InputCode.INVALID_FORMAT), error["msg"]))
    return Fault(tuple(place) or ("body",), code, reason.format_map(context) if kind in _REASONS else reason)


@dataclass(frozen=True, slots=True)
class Reason:
    """Annotation with the message for any error of a field."""

    text: str
    code: InputCode = InputCode.INVALID_TYPE

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """Replace the errors of the type by the reason."""
        return _with_reason(handler(source), self.text, self.code)


@dataclass(frozen=True, slots=True)
class WholeNumber:
    """Annotation of an ``int`` from ``least`` to ``most``; JSON's 1.0 is refused."""

    least: int
    most: int

    def __get_pydantic_core_schema__(self, _source: Any, _handler: GetCoreSchemaHandler) -> CoreSchema:
        """Return the schema of such numbers, with one message for all errors."""
        number = core_schema.int_schema(strict=True, ge=self.least, le=self.most)
        return _with_reason(number, f"Must be a whole number from {self.least} to {self.most}.", InputCode.OUT_OF_RANGE)


class _LeftOut:
    """Annotation of ``T | Unset`` that reads only T; null only if T includes it."""

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """Return the schema of T alone."""
        read = tuple(one for one in get_args(source) if one is not Unset)
        return handler.generate_schema(Union[read])  # noqa: UP007 - built from values


LeftOut = Annotated[T | Unset, _LeftOut()]
"""Type of a field that may be left out. Its default must be :data:`~spacekey.domain.unset.UNSET`."""


def _with_reason(schema: CoreSchema, reason: str, code: InputCode) -> CoreSchema:
    return core_schema.custom_error_schema(
        schema, "refused", custom_error_message="{reason}", custom_error_context={"reason": reason, "code": code}
    )


def refused(reason: str, code: InputCode, field: str | None = None) -> PydanticCustomError:
    """Return the error for a validator to raise, which becomes a :class:`Fault`.

    :param field: the name of the field, in a validator of the whole model.
    """
    return PydanticCustomError(
        "refused", "{reason}", {"reason": reason, "code": code, **({} if field is None else {"field": field})}
    )


def refusable(check: Callable[[Any], T]) -> Callable[[Any], T]:
    """Return the check as a validator whose :class:`InvalidInput` becomes the field's error."""

    def run(value: Any) -> T:
        try:
            return check(value)
        except InvalidInput as error:
            raise refused(error.reason, error.faults[0].code) from None

    return run


def _moment(value: object) -> datetime:
    try:
        return read_moment("", value)
    except InvalidInput as error:
        raise refused(error.reason, error.faults[0].code) from None


Moment = Annotated[
    datetime,
    PlainValidator(_moment),
    WithJsonSchema({"type": "string", "format": "date-time"}),
]
"""RFC 3339 time with a zone, read by the parser of all interfaces."""


class BadBody(Exception):
    """Error of a request that cannot be read. ``status`` is 400, 401, 413 or 415; ``reason`` never repeats the body."""

    def __init__(self, status: int, code: str, reason: str) -> None:
        super().__init__(reason)
        self.status = status
        self.code = code
        self.reason = reason


async def json_object(
    request: Request,
    *,
    bytes_max: int = JSON_BYTES_MAX,
    optional: bool = False,
    types: Sequence[str] = (JSON_TYPE,),
) -> dict[str, Any]:
    """Return the JSON object in the body; with ``optional``, an empty body is an empty object.

    :raises BadBody: the content type is another one, or the body is too large, too deep, not JSON or not an object.
    """
    sent = media_type(request)
    if optional and sent is None:
        if await bounded_body(request, bytes_max):
            raise BadBody(415, "unsupported_media_type", f"Send the body as {JSON_TYPE}.")
        return {}
    if sent not in types:
        raise BadBody(415, "unsupported_media_type", f"Send the body as {' or '.join(types)}.")
    raw = await bounded_body(request, bytes_max)
    if optional and not raw.strip():
        return {}
    value = parsed_json(raw)
    if not isinstance(value, dict):
        raise BadBody(400, "malformed_json", "The body must be a JSON object.")
    return value


def parsed_json(raw: bytes) -> object:
    """Return parsed JSON in UTF-8 (RFC 8259), without duplicate names, NaN, lone surrogates or excessive depth.

    :raises BadBody: otherwise.
    """
    try:
        value: object = json.loads(raw.decode("utf-8"), object_pairs_hook=_distinct, parse_constant=_no_constant)
    except (ValueError, RecursionError):
        raise BadBody(400, "malformed_json", "The body is not JSON in UTF-8, or names a field twice.") from None
    _check(value)
    return value


def idempotency_key(request: Request) -> str | None:
    """Return the value of ``Idempotency-Key``, a quoted string (RFC 8941 §3.3.3) or a plain word; None without it.

    :raises BadBody: 400 if the header is sent twice, or is neither.
    """
    sent = request.headers.getlist("idempotency-key")
    if not sent:
        return None
    if len(sent) == 1:
        text = sent[0].strip()
        found = _QUOTED.fullmatch(text)
        if found is not None:
            return re.sub(r"\\(.)", r"\1", found[1])
        if _PLAIN.fullmatch(text):
            return text
    detail = f"Send one Idempotency-Key of 1 to {KEY_LENGTH_MAX} characters, such as a random UUID."
    raise BadBody(400, "invalid_idempotency_key", detail)


async def form_fields(request: Request) -> dict[str, str]:
    """Return the fields of a URL-encoded form, each at most once (RFC 6749 §3.1).

    :raises BadBody: the content type is another one, the form is too large, has too many fields, or repeats one.
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

    :raises BadBody: it cannot be read, or has too many fields.
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
    """Return the content type without its parameters, in lower case; None if it is missing.

    With a charset other than UTF-8 the result matches no type that is accepted.
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
    """Return the raw body.

    :raises BadBody: 413 if it has more than ``bytes_max`` bytes.
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
    """Check depth and text of parsed JSON, without recursion."""
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
