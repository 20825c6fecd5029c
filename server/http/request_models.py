"""Models of the requests of the REST API: one for each body, form and query.

A route reads its request by its model, which the OpenAPI document also shows. Rules between fields, and the lengths and
characters of texts, are checked by the resolvers, for all interfaces.
"""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import BeforeValidator, ConfigDict, FailFast, Field, PlainValidator, WithJsonSchema, model_validator

from spacekey.domain.page import PAGE_SIZE_DEFAULT, PAGE_SIZE_MAX, TokenOrder
from spacekey.domain.refusal import InputCode, InvalidInput
from spacekey.domain.secret import ENVIRONMENTS
from spacekey.domain.suggest import did_you_mean
from spacekey.domain.token_state import Status
from spacekey.domain.unset import UNSET
from spacekey.resolvers.tokens.list import DAYS_MAX
from spacekey.resolvers.tokens.rotate import GRACE_SECONDS_DEFAULT, GRACE_SECONDS_MAX
from spacekey.resolvers.tokens.usage import COUNT_MAX, NUMBER_MAX, REPORT_ROWS_MAX, REPORTER_LENGTH_MAX
from spacekey.resolvers.validation import (
    DESCRIPTION_LENGTH_MAX,
    GRANTS_MAX,
    LIFETIME_SECONDS_MAX,
    NAME_LENGTH_MAX,
    REASON_LENGTH_MAX,
    unknown,
)

from .requests import FormModel, LeftOut, Moment, Reason, RequestModel, WholeNumber, refusable, refused

USED_SCOPES_MAX = 1_000
IP_LENGTH_MAX = 64
INTROSPECTED_MAX = 1_000
ONE_ENVIRONMENT: dict[str, Any] = {"type": "string", "enum": list(ENVIRONMENTS)}


def _environment(value: object) -> str:
    if not isinstance(value, str):
        raise InvalidInput("environment", "Must be a string.", InputCode.INVALID_TYPE)
    if value not in ENVIRONMENTS:
        raise InvalidInput("environment", unknown("environment", value, ENVIRONMENTS), InputCode.UNKNOWN_VALUE)
    return value


def _app_environment(value: object) -> str:
    if value not in ENVIRONMENTS:
        known = " or ".join(f"'{one}'" for one in ENVIRONMENTS)
        raise InvalidInput(
            "environment", f"There is no such environment; write {known}, or leave it out.", InputCode.UNKNOWN_VALUE
        )
    return str(value)


def _statuses(value: Any) -> frozenset[Status]:
    try:
        return frozenset(Status(one) for one in value.split(","))
    except ValueError:
        known = [status.value for status in Status]
        raise InvalidInput(
            "status", f"Write any of {', '.join(known)}.{did_you_mean(value, known)}", InputCode.UNKNOWN_VALUE
        ) from None


def _number(text: Any) -> object:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 6 else text


def _order(text: Any) -> TokenOrder:
    if text not in set(TokenOrder):
        raise InvalidInput("order_by", unknown("order", text, TokenOrder), InputCode.UNKNOWN_VALUE)
    return TokenOrder(text)


def _truth(text: Any) -> object:
    return {"true": True, "false": False}.get(text, text)


Name = Annotated[str, Field(json_schema_extra={"minLength": 1, "maxLength": NAME_LENGTH_MAX})]
Description = Annotated[str, Field(json_schema_extra={"maxLength": DESCRIPTION_LENGTH_MAX})]
Grants = Annotated[
    list[str],
    Field(max_length=GRANTS_MAX, description="Scopes, shorthands or roles."),
    Reason(f"Must be a list of at most {GRANTS_MAX} strings."),
]
Environment = Annotated[str, BeforeValidator(refusable(_environment)), WithJsonSchema(ONE_ENVIRONMENT)]
Lifetime = Annotated[
    int,
    WholeNumber(1, LIFETIME_SECONDS_MAX),
    Field(description="A lifetime in seconds, counted by the server's clock; give either this or expires_at."),
]
Count = Annotated[int, WholeNumber(0, COUNT_MAX)]


class CreateApiKey(RequestModel):
    """Body of a request to create a key."""

    name: Name
    permissions: Grants = Field(default_factory=list)
    preset: str | None = None
    description: Description | None = None
    environment: Environment | None = None
    expires_at: LeftOut[Moment | None] = UNSET
    expires_in: Lifetime | None = None
    space_id: str | None = None
    workspace_id: str | None = None


class ChangeApiKey(RequestModel):
    """Body of a request to edit a key. Fields left out stay, null clears. ``disabled`` is sent alone."""

    name: LeftOut[Name] = UNSET
    permissions: LeftOut[Grants] = UNSET
    description: LeftOut[Description | None] = UNSET
    expires_at: LeftOut[Moment | None] = UNSET
    expires_in: Lifetime | None = None
    disabled: LeftOut[bool] = UNSET


class RotateApiKey(RequestModel):
    """Body of a request to rotate a key. It is optional."""

    grace_seconds: Annotated[int, WholeNumber(0, GRACE_SECONDS_MAX)] = GRACE_SECONDS_DEFAULT
    retire_on_first_use: bool = False
    expires_at: LeftOut[Moment | None] = UNSET
    expires_in: Lifetime | None = None


class PageQuery(RequestModel):
    """Query of a request for a page of a list."""

    limit: Annotated[
        int,
        Field(ge=1, le=PAGE_SIZE_MAX, description="The most rows of the page."),
        BeforeValidator(_number),
        Reason(f"Write a whole number from 1 to {PAGE_SIZE_MAX}."),
    ] = PAGE_SIZE_DEFAULT
    after: Annotated[str | None, Field(description="The 'next_cursor' of the page before.")] = None


class ListWorkspaces(PageQuery):
    """Query of a request to list the caller's workspaces."""


class ListSpaces(PageQuery):
    """Query of a request to list spaces."""

    workspace_id: Annotated[str | None, Field(description="By default the workspace of the token.")] = None
    text: Annotated[
        str | None, Field(description="Part of the name or the slug.", json_schema_extra={"maxLength": NAME_LENGTH_MAX})
    ] = None


class ListApiKeys(PageQuery):
    """Query of a request to list keys. A list is written with commas, or by repeating the parameter."""

    repeatable: ClassVar[frozenset[str]] = frozenset({"status"})

    workspace_id: str | None = None
    space_id: str | None = None
    status: Annotated[
        frozenset[Status] | None,
        PlainValidator(refusable(_statuses)),
        WithJsonSchema({"type": "array", "items": {"type": "string", "enum": [status.value for status in Status]}}),
    ] = None
    environment: Environment | None = None
    kind: Annotated[Literal["space", "workspace"] | None, Reason("Write space or workspace.")] = None
    text: Annotated[
        str | None,
        Field(description="Part of the name, the description or the prefix.", json_schema_extra={"maxLength": 200}),
    ] = None
    unused_for_days: Annotated[
        int | None,
        Field(ge=0, le=DAYS_MAX, description="Only keys without a use in this number of days."),
        BeforeValidator(_number),
        Reason(f"Write a whole number from 0 to {DAYS_MAX}."),
    ] = None
    expiring_within_days: Annotated[
        int | None,
        Field(ge=0, le=DAYS_MAX, description="Only keys that expire within this number of days."),
        BeforeValidator(_number),
        Reason(f"Write a whole number from 0 to {DAYS_MAX}."),
    ] = None
    order_by: Annotated[
        TokenOrder,
        PlainValidator(refusable(_order)),
        WithJsonSchema({"type": "string", "enum": [order.value for order in TokenOrder]}),
        Field(description="What to sort by."),
    ] = TokenOrder.CREATED_AT
    direction: Annotated[
        Literal["asc", "desc"],
        Field(description="asc begins with the smallest or oldest."),
        Reason("Write asc or desc.", InputCode.UNKNOWN_VALUE),
    ] = "desc"
    created_by: Annotated[str | None, Field(description="The id of the person or token that made them.")] = None


class Waiting(RequestModel):
    """Query of a change, with whether to wait until it holds in every process."""

    wait: Annotated[
        bool,
        BeforeValidator(_truth),
        Reason("Write true or false."),
        Field(description="false answers at once, with effective_at in the future where other processes may cache."),
    ] = True


class RevokeApiKey(RequestModel):
    """Body of a request to revoke a key. It is optional."""

    reason: Annotated[
        str | None,
        Field(
            description="Why, for the key's record and the audit log.",
            json_schema_extra={"maxLength": REASON_LENGTH_MAX},
        ),
    ] = None


class NoQuery(RequestModel):
    """Query without parameters."""


class Use(RequestModel):
    """Row of a usage report: requests of one token within one hour."""

    token_id: str
    at: Annotated[Moment, Field(description="The last of them; the counts belong to its hour.")]
    ip: Annotated[str | None, Field(json_schema_extra={"maxLength": IP_LENGTH_MAX})] = None
    allowed: Count = 0
    denied: Count = 0
    limited: Count = 0
    scopes: Annotated[
        list[str],
        Field(max_length=USED_SCOPES_MAX),
        Reason(f"Must be a list of at most {USED_SCOPES_MAX} strings."),
    ] = Field(default_factory=list)
    used: bool = True


class Usage(RequestModel):
    """Body of a usage report, of requests that another app counted.

    A batch with ``reporter`` and ``number`` that is repeated because its answer was lost is counted once.
    """

    model_config = ConfigDict(
        json_schema_extra={"dependentRequired": {"reporter": ["number"], "number": ["reporter"]}},
    )

    uses: Annotated[list[Use], FailFast(), Field(max_length=REPORT_ROWS_MAX)]
    reporter: LeftOut[
        Annotated[
            str,
            Field(pattern=f"^[0-9A-Za-z]{{1,{REPORTER_LENGTH_MAX}}}$"),
            Reason(f"Write 1 to {REPORTER_LENGTH_MAX} letters and digits, made at random."),
        ]
    ] = UNSET
    number: LeftOut[Annotated[int, WholeNumber(1, NUMBER_MAX)]] = UNSET

    @model_validator(mode="after")
    def _named_whole(self) -> Self:
        for field, other in (("reporter", "number"), ("number", "reporter")):
            if getattr(self, field) is UNSET and getattr(self, other) is not UNSET:
                reason = f"Is required beside '{other}'."
                raise refused(reason, InputCode.REQUIRED, field)
        return self


class AskedToken(RequestModel):
    """Token of a batch introspection."""

    token: Annotated[str, Field(min_length=1), Reason("Must be a string with something in it.")]
    version: Annotated[str | None, Field(description="Of the answer that the asking app holds.")] = None
    used_in: Environment | None = None
    client_ip: Annotated[str | None, Field(description="Who sent the token to the asking app, by its word.")] = None
    client_user_agent: str | None = None
    presented: Annotated[
        bool,
        Field(
            description="False for a token that no client has just sent, such as that of an open connection, which the "
            "asking app verifies again: its refusal is not written into its owner's audit log."
        ),
    ] = True


class IntrospectionBatch(RequestModel):
    """Body of a batch introspection."""

    tokens: Annotated[list[AskedToken], FailFast(), Field(min_length=1, max_length=INTROSPECTED_MAX)]
    environment: Annotated[Environment | None, Field(description="Where the asking app runs.")] = None


ClientId = Annotated[str, Field(description="The token's id, or the service's name, that authenticates the caller.")]
ClientSecret = Annotated[str, Field(description="Its secret, where it is not sent in a header.")]
AppEnvironment = Annotated[
    str,
    BeforeValidator(refusable(_app_environment)),
    WithJsonSchema(ONE_ENVIRONMENT),
]


class TokenForm(FormModel):
    """Form with a token's secret."""

    token: Annotated[str, Field(min_length=1)]
    token_type_hint: LeftOut[str] = UNSET
    client_id: LeftOut[ClientId] = UNSET
    client_secret: LeftOut[ClientSecret] = UNSET


class IntrospectionForm(TokenForm):
    """Form with a token's secret, and where the token was presented."""

    environment: Annotated[LeftOut[AppEnvironment], Field(description="Where the asking app runs.")] = UNSET
    used_in: Annotated[
        LeftOut[AppEnvironment],
        Field(description="The same, of an app that refuses tokens of another environment by itself."),
    ] = UNSET
    client_ip: Annotated[LeftOut[str], Field(description="Who sent the token to the asking app, by its word.")] = UNSET
    client_user_agent: LeftOut[str] = UNSET


class GraphQLRequest(RequestModel):
    """Body of a GraphQL request: one operation (GraphQL over HTTP, "Request Parameters")."""

    model_config = ConfigDict(extra="ignore")

    query: str
    variables: dict[str, Any] | None = None
    operation_name: Annotated[str | None, Field(alias="operationName")] = None
    extensions: dict[str, Any] | None = None
