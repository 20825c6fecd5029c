"""Models of the requests of the REST API: one for each body, form and query.

A route reads its request by its model, which the OpenAPI document also shows. Rules between fields, and the lengths and
characters of texts, are checked by the resolvers, for all interfaces.
"""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import BeforeValidator, ConfigDict, Field, PlainValidator, WithJsonSchema, model_validator

from spacekey.domain.external import EXTERNAL_ID_LENGTH_MAX, METADATA_BYTES_MAX, METADATA_DEPTH_MAX
from spacekey.domain.page import PAGE_SIZE_DEFAULT, PAGE_SIZE_MAX, TokenOrder
from spacekey.domain.refusal import InputCode, InvalidInput
from spacekey.domain.scope import is_scope_name
from spacekey.domain.secret import ENVIRONMENTS
from spacekey.domain.suggest import did_you_mean
from spacekey.domain.token_state import Status
from spacekey.domain.unset import UNSET
from spacekey.models.tables.audit import OUTCOMES
from spacekey.resolvers.portal_sessions import ORIGINS_MAX
from spacekey.resolvers.portal_sessions import SECONDS_DEFAULT as PORTAL_SECONDS_DEFAULT
from spacekey.resolvers.portal_sessions import SECONDS_MAX as PORTAL_SECONDS_MAX
from spacekey.resolvers.tokens.list import DAYS_MAX
from spacekey.resolvers.tokens.rotate import GRACE_SECONDS_DEFAULT, GRACE_SECONDS_MAX
from spacekey.resolvers.tokens.usage import (
    COUNT_MAX,
    NUMBER_MAX,
    REPORT_ROWS_MAX,
    REPORTER_LENGTH_MAX,
    USAGE_DAYS_MAX,
)
from spacekey.resolvers.validation import (
    DESCRIPTION_LENGTH_MAX,
    GRANTS_MAX,
    LIFETIME_SECONDS_MAX,
    NAME_LENGTH_MAX,
    REASON_LENGTH_MAX,
    unknown,
)
from spacekey.resolvers.workspaces.figures import BUSIEST_MAX
from spacekey.resolvers.workspaces.figures import COUNT_MAX as COUNTED_MAX

from .requests import FormModel, LeftOut, Moment, Reason, RequestModel, WholeNumber, refusable, refused

USED_SCOPES_MAX = 1_000
SCOPES_MAX = 100
"""How many scopes a proxy asks for at once."""
IP_LENGTH_MAX = 64
INTROSPECTED_MAX = 1_000
LIMIT_MAX = 2**31 - 1
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


def _outcome(value: object) -> str:
    if value not in OUTCOMES:
        raise InvalidInput("outcome", unknown("outcome", str(value), OUTCOMES), InputCode.UNKNOWN_VALUE)
    return str(value)


def _truth(text: Any) -> object:
    return {"true": True, "false": False}.get(text, text)


Name = Annotated[
    str,
    Field(description="The key's name.", json_schema_extra={"minLength": 1, "maxLength": NAME_LENGTH_MAX}),
]
Description = Annotated[str, Field(json_schema_extra={"maxLength": DESCRIPTION_LENGTH_MAX})]
Grants = Annotated[
    list[str],
    Field(max_length=GRANTS_MAX, description="The scopes, shorthands or role to grant."),
    Reason(f"Must be a list of at most {GRANTS_MAX} strings."),
]
Environment = Annotated[str, BeforeValidator(refusable(_environment)), WithJsonSchema(ONE_ENVIRONMENT)]
ExternalId = Annotated[
    str,
    Field(
        description="The ID that your application has for the key's owner. It is compared exactly and given back as "
        "it is.",
        json_schema_extra={"minLength": 1, "maxLength": EXTERNAL_ID_LENGTH_MAX},
    ),
]
Metadata = Annotated[
    dict[str, Any],
    Field(
        description=f"A JSON object of your application's, which verification gives back: at most "
        f"{METADATA_BYTES_MAX:,} bytes of compact JSON and {METADATA_DEPTH_MAX} levels."
    ),
]
Lifetime = Annotated[
    int,
    WholeNumber(1, LIFETIME_SECONDS_MAX),
    Field(description="The key's lifetime in seconds, instead of `expires_at`."),
]
Count = Annotated[int, WholeNumber(0, COUNT_MAX)]


class CreateApiKey(RequestModel):
    """Body of a request to create a key."""

    name: Name
    permissions: Grants = Field(default_factory=list)
    preset: Annotated[
        str | None, Field(description="The name of a preset, whose grants are added to the permissions.")
    ] = None
    description: Annotated[Description | None, Field(description="What the key is for.")] = None
    environment: Annotated[
        Environment | None, Field(description="The environment that the key is valid in. By default the caller's own.")
    ] = None
    expires_at: Annotated[
        LeftOut[Moment | None],
        Field(description="When the key expires. Null: never. By default what the policy of the workspace says."),
    ] = UNSET
    expires_in: Lifetime | None = None
    space_id: Annotated[
        str | None,
        Field(description="The ID of the space that the key is for. By default the token's own; null: the workspace."),
    ] = None
    workspace_id: Annotated[
        str | None, Field(description="The ID of the workspace. By default the token's own; people must send it.")
    ] = None
    external_id: ExternalId | None = None
    metadata: Metadata | None = None


class ChangeApiKey(RequestModel):
    """Body of a request to edit a key. Members left out are not changed. `disabled` is sent without any other."""

    name: LeftOut[Name] = UNSET
    permissions: LeftOut[Grants] = UNSET
    description: Annotated[LeftOut[Description | None], Field(description="What the key is for. Null: nothing.")] = (
        UNSET
    )
    expires_at: Annotated[LeftOut[Moment | None], Field(description="When the key expires. Null: never.")] = UNSET
    expires_in: Lifetime | None = None
    external_id: LeftOut[ExternalId | None] = UNSET
    metadata: LeftOut[Metadata | None] = UNSET
    disabled: Annotated[
        LeftOut[bool], Field(description="True disables the key, false enables it. Send it without other members.")
    ] = UNSET


class RotateApiKey(RequestModel):
    """Body of a request to rotate a key. It is optional."""

    grace_seconds: Annotated[
        int,
        WholeNumber(0, GRACE_SECONDS_MAX),
        Field(description="For how many seconds the old key stays valid."),
    ] = GRACE_SECONDS_DEFAULT
    retire_on_first_use: Annotated[
        bool, Field(description="Whether the old key ends earlier, when the new one is used for the first time.")
    ] = False
    expires_at: Annotated[
        LeftOut[Moment | None],
        Field(description="When the new key expires. Null: never. By default it has the old key's whole lifetime."),
    ] = UNSET
    expires_in: Lifetime | None = None


class PageQuery(RequestModel):
    """Query of a request for a page of a list."""

    limit: Annotated[
        int,
        Field(ge=1, le=PAGE_SIZE_MAX, description="The maximum number of rows on the page."),
        BeforeValidator(_number),
        Reason(f"Write a whole number from 1 to {PAGE_SIZE_MAX}."),
    ] = PAGE_SIZE_DEFAULT
    after: Annotated[str | None, Field(description="The `next_cursor` of the previous page.")] = None


WorkspaceId = Annotated[
    str, Field(description="The ID of the workspace. By default the token's own; people must send it.")
]


class ListWorkspaces(PageQuery):
    """Query of a request to list the caller's workspaces."""

    external_id: Annotated[
        str | None,
        Field(description="Only workspaces with this external ID: at most one of each product."),
    ] = None
    product: Annotated[str | None, Field(description="Only a workspace of this product. With `external_id`.")] = None


class ListSpaces(PageQuery):
    """Query of a request to list spaces."""

    workspace_id: WorkspaceId | None = None
    text: Annotated[
        str | None,
        Field(
            description="Only spaces whose name or slug contains this text.",
            json_schema_extra={"maxLength": NAME_LENGTH_MAX},
        ),
    ] = None
    external_id: Annotated[str | None, Field(description="Only the space with this external ID. Without `text`.")] = (
        None
    )


class ListApiKeys(PageQuery):
    """Query of a request to list keys. A list is written with commas, or by repeating the parameter."""

    repeatable: ClassVar[frozenset[str]] = frozenset({"status"})

    workspace_id: Annotated[
        str | None,
        Field(
            description="Only keys of the workspace with this ID. By default the token's own; for people, all in which "
            "they have `tokens:read`."
        ),
    ] = None
    space_id: Annotated[
        str | None, Field(description="Only keys of the space with this ID. People must send its `workspace_id`, too.")
    ] = None
    status: Annotated[
        frozenset[Status] | None,
        PlainValidator(refusable(_statuses)),
        WithJsonSchema({"type": "array", "items": {"type": "string", "enum": [status.value for status in Status]}}),
        Field(description="Only keys with one of these statuses, separated by commas."),
    ] = None
    environment: Annotated[Environment | None, Field(description="Only keys of this environment.")] = None
    kind: Annotated[
        Literal["space", "workspace"] | None,
        Reason("Write space or workspace."),
        Field(description="Only keys of this kind."),
    ] = None
    text: Annotated[
        str | None,
        Field(
            description="Only keys whose name, description or prefix contains this text.",
            json_schema_extra={"maxLength": NAME_LENGTH_MAX},
        ),
    ] = None
    unused_for_days: Annotated[
        int | None,
        Field(
            ge=0,
            le=DAYS_MAX,
            description="Only keys that were not used in this number of days, including those never used.",
        ),
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
        Field(description="Whether the first is the smallest or oldest (`asc`), or the largest or newest (`desc`)."),
        Reason("Write asc or desc.", InputCode.UNKNOWN_VALUE),
    ] = "desc"
    created_by: Annotated[str | None, Field(description="Only keys created by the person or token with this ID.")] = (
        None
    )
    created_after: Annotated[Moment | None, Field(description="Only keys created at this time or later.")] = None
    created_before: Annotated[Moment | None, Field(description="Only keys created earlier than this time.")] = None
    scope: Annotated[
        str | None,
        Field(
            description="Only keys that have this scope now, whether they were granted it, a shorthand or a role: "
            "those with it in `scopes`."
        ),
    ] = None
    prefix: Annotated[
        str | None,
        Field(
            description="Only keys whose secret begins with these characters, at most 12. They can be given as "
            "`prefix` shows them, with the ellipsis."
        ),
    ] = None
    external_id: Annotated[
        str | None, Field(description="Only keys with exactly this external ID, such as all of one of your users.")
    ] = None
    imported: Annotated[
        bool | None,
        BeforeValidator(_truth),
        Reason("Write true or false."),
        Field(description="True for imported keys only, false for keys whose secret was made by this server."),
    ] = None
    count: Annotated[
        bool,
        BeforeValidator(_truth),
        Reason("Write true or false."),
        Field(description=f"Whether to count the keys that meet the conditions, up to {COUNTED_MAX:,}."),
    ] = False


Days = Annotated[
    int,
    Field(ge=1, le=USAGE_DAYS_MAX, description="The number of days to look back."),
    BeforeValidator(_number),
    Reason(f"Write a whole number from 1 to {USAGE_DAYS_MAX}."),
]


class OfWorkspace(RequestModel):
    """Query about one workspace."""

    workspace_id: WorkspaceId | None = None


class UsageQuery(OfWorkspace):
    """Query for the usage of a workspace."""

    days: Days = 30


class BusiestQuery(UsageQuery):
    """Query for the keys of a workspace with the most requests."""

    limit: Annotated[
        int,
        Field(ge=1, le=BUSIEST_MAX, description="The maximum number of keys."),
        BeforeValidator(_number),
        Reason(f"Write a whole number from 1 to {BUSIEST_MAX}."),
    ] = 10


class ListAuditEvents(PageQuery, OfWorkspace):
    """Query of a request to list the events of an audit log."""

    actor_id: Annotated[
        str | None, Field(description="Only events caused by the person, token or service with this ID.")
    ] = None
    target_id: Annotated[str | None, Field(description="Only events about the object with this ID.")] = None
    action: Annotated[str | None, Field(description="Only events of this action, such as `token.revoke`.")] = None
    outcome: Annotated[
        str | None,
        BeforeValidator(refusable(_outcome)),
        WithJsonSchema({"type": "string", "enum": list(OUTCOMES)}),
        Field(description="Only events with this outcome."),
    ] = None
    created_after: Annotated[Moment | None, Field(description="Only events that happened at this time or later.")] = (
        None
    )
    created_before: Annotated[Moment | None, Field(description="Only events that happened earlier than this time.")] = (
        None
    )


class Waiting(RequestModel):
    """Query of a change, with whether to wait until it has taken effect."""

    wait: Annotated[
        bool,
        BeforeValidator(_truth),
        Reason("Write true or false."),
        Field(
            description="Whether to answer only after the change has taken effect in every process. With `false` the "
            "answer comes at once, and `effective_at` may be in the future."
        ),
    ] = True


class RevokeApiKey(RequestModel):
    """Body of a request to revoke a key. It is optional."""

    reason: Annotated[
        str | None,
        Field(
            description="Why the key is revoked. It is shown with the key and written into the audit log.",
            json_schema_extra={"maxLength": REASON_LENGTH_MAX},
        ),
    ] = None


WorkspaceName = Annotated[
    str,
    Field(description="The workspace's name.", json_schema_extra={"minLength": 1, "maxLength": NAME_LENGTH_MAX}),
]
WorkspaceSlug = Annotated[str, Field(description="The workspace's name in addresses, unique on this server.")]
TenantId = Annotated[
    str,
    Field(
        description="The ID that your application has for its tenant, unique in the product. It is compared exactly.",
        json_schema_extra={"minLength": 1, "maxLength": EXTERNAL_ID_LENGTH_MAX},
    ),
]
ProductName = Annotated[
    str, Field(description="The name of the product. By default a service's own; people must send it.")
]
PlanName = Annotated[
    str, Field(description="The name of the plan. By default the product's default plan. Only services choose it.")
]
SpaceName = Annotated[
    str,
    Field(description="The space's name.", json_schema_extra={"minLength": 1, "maxLength": NAME_LENGTH_MAX}),
]
SpaceSlug = Annotated[str, Field(description="The space's name in addresses, unique in its workspace.")]
ProjectId = Annotated[
    str,
    Field(
        description="The ID that your application has for it, unique in the workspace. It is compared exactly.",
        json_schema_extra={"minLength": 1, "maxLength": EXTERNAL_ID_LENGTH_MAX},
    ),
]


class CreateWorkspace(RequestModel):
    """Body of a request to create a workspace."""

    name: WorkspaceName
    slug: WorkspaceSlug
    product: ProductName | None = None
    plan: PlanName | None = None
    external_id: TenantId | None = None


class EnsureWorkspace(RequestModel):
    """Body of a request for the workspace with an external ID. The other members are those of a new one."""

    external_id: TenantId
    name: WorkspaceName
    slug: Annotated[
        WorkspaceSlug | None, Field(description="The name in addresses. By default one that is made from the name.")
    ] = None
    product: ProductName | None = None
    plan: PlanName | None = None


class OwnRateLimit(RequestModel):
    """Rate limit of the tokens of one workspace, in place of the plan's."""

    per_minute: Annotated[
        int, WholeNumber(1, LIMIT_MAX), Field(description="How many requests are allowed in a minute, over time.")
    ]
    burst: Annotated[int, WholeNumber(1, LIMIT_MAX), Field(description="How many requests are allowed at once.")]


class ChangeWorkspace(RequestModel):
    """Body of a request to change a workspace. Members left out are not changed."""

    name: LeftOut[WorkspaceName] = UNSET
    slug: LeftOut[WorkspaceSlug] = UNSET
    plan: Annotated[
        LeftOut[str],
        Field(description="The name of the plan. One that is not self-service takes `operator:workspaces:update`."),
    ] = UNSET
    external_id: Annotated[
        LeftOut[TenantId | None],
        Field(description="The ID that your application has for its tenant. Null removes it. As `rate_limit`."),
    ] = UNSET
    rate_limit: Annotated[
        LeftOut[OwnRateLimit | None],
        Field(
            description="The rate limit of the workspace's tokens. Null: the plan's. Takes a service with "
            "`operator:workspaces:update`."
        ),
    ] = UNSET
    suspended: Annotated[
        LeftOut[bool],
        Field(description="True rejects all tokens of the workspace until it is false again. As `rate_limit`."),
    ] = UNSET


class CreateSpace(RequestModel):
    """Body of a request to create a space."""

    workspace_id: WorkspaceId | None = None
    name: SpaceName
    slug: SpaceSlug
    external_id: ProjectId | None = None


class EnsureSpace(RequestModel):
    """Body of a request for the space with an external ID. The other members are those of a new one."""

    workspace_id: WorkspaceId | None = None
    external_id: ProjectId
    name: SpaceName
    slug: Annotated[
        SpaceSlug | None, Field(description="The name in addresses. By default one that is made from the name.")
    ] = None


class ChangeSpace(RequestModel):
    """Body of a request to change a space. Members left out are not changed."""

    name: LeftOut[SpaceName] = UNSET
    slug: LeftOut[SpaceSlug] = UNSET
    external_id: Annotated[
        LeftOut[ProjectId | None],
        Field(description="The ID that your application has for it. Null removes it."),
    ] = UNSET


class HostPerson(RequestModel):
    """Person of the product that Spacekey is part of, by that product's own ID."""

    id: Annotated[
        str,
        Field(
            description="The product's own ID of the person. Keys that the person creates get it as their "
            "`external_id`.",
            json_schema_extra={"minLength": 1, "maxLength": EXTERNAL_ID_LENGTH_MAX},
        ),
    ]
    name: Annotated[
        str,
        Field(
            description="The person's name, as lists and the audit log show it.",
            json_schema_extra={"minLength": 1, "maxLength": NAME_LENGTH_MAX},
        ),
    ]


class OpenPortalSession(RequestModel):
    """Body of a request to open a portal session. `role` and `scopes` exclude each other."""

    workspace_id: Annotated[str, Field(description="The ID of the workspace.")]
    person: Annotated[HostPerson, Field(description="Whose session it is.")]
    origins: Annotated[
        list[str],
        Field(
            max_length=ORIGINS_MAX,
            description="The origins of the pages that use the session, such as `https://app.example.com`. Each "
            "request must come from one of them.",
        ),
        Reason(f"Must be a list of at most {ORIGINS_MAX} strings."),
    ]
    role: Annotated[
        str | None, Field(description="The name of a role of the workspace, whose scopes the session has at most.")
    ] = None
    scopes: Annotated[
        list[str] | None,
        Field(
            max_length=GRANTS_MAX,
            description="The scopes of the session: those of the product, its shorthands, and scopes of tokens, "
            "`spaces:read`, `workspace:read` and `usage:read`. By default all of the product and those of tokens.",
        ),
        Reason(f"Must be a list of at most {GRANTS_MAX} strings."),
    ] = None
    expires_in: Annotated[
        int, WholeNumber(1, PORTAL_SECONDS_MAX), Field(description="The lifetime of the session in seconds.")
    ] = PORTAL_SECONDS_DEFAULT
    tokens: Annotated[
        Literal["own", "workspace"],
        Reason("Write own or workspace."),
        Field(
            description="Which keys the session sees: with `own` those whose `external_id` is the person's ID, with "
            "`workspace` all keys of the workspace."
        ),
    ] = "own"


class EndPortalSessions(RequestModel):
    """Body of a request to end all portal sessions of a person in a workspace."""

    workspace_id: Annotated[str, Field(description="The ID of the workspace.")]
    person_id: Annotated[
        str,
        Field(
            description="The product's own ID of the person.",
            json_schema_extra={"minLength": 1, "maxLength": EXTERNAL_ID_LENGTH_MAX},
        ),
    ]


def _scopes(value: Any) -> tuple[str, ...]:
    names = tuple(dict.fromkeys(value.split(" ")))
    if len(names) > SCOPES_MAX:
        raise InvalidInput("scope", f"Ask for at most {SCOPES_MAX} scopes.", InputCode.TOO_MANY)
    for name in names:
        if not is_scope_name(name):
            raise InvalidInput("scope", "Write the name of a scope, such as jobs:read.", InputCode.INVALID_FORMAT)
    return names


class AuthorizeQuery(RequestModel):
    """Query of a proxy that asks whether it may pass a request on."""

    repeatable: ClassVar[frozenset[str]] = frozenset({"scope"})
    separator: ClassVar[str] = " "

    scope: Annotated[
        tuple[str, ...] | None,
        PlainValidator(refusable(_scopes)),
        WithJsonSchema({"type": "string"}),
        Field(
            description="The scopes that the caller must have, all of them: separated by spaces, or by repeating the "
            "parameter. By default any valid token is enough."
        ),
    ] = None
    environment: Annotated[
        Environment | None, Field(description="The environment that the token must be of. By default any.")
    ] = None
    space_id: Annotated[
        str | None,
        Field(description="The ID of a space. The token must belong to it, or to its workspace."),
    ] = None


class NoQuery(RequestModel):
    """Query without parameters."""


class Use(RequestModel):
    """Row of a usage report: requests of one token within one hour."""

    token_id: Annotated[str, Field(description="The ID of the token.")]
    at: Annotated[
        Moment, Field(description="When the last of the requests was made. All are counted in the hour of this time.")
    ]
    ip: Annotated[
        str | None,
        Field(
            description="The IP address that the last request came from.",
            json_schema_extra={"maxLength": IP_LENGTH_MAX},
        ),
    ] = None
    allowed: Annotated[Count, Field(description="How many requests were allowed.")] = 0
    denied: Annotated[Count, Field(description="How many requests were denied because of a missing scope.")] = 0
    rate_limited: Annotated[Count, Field(description="How many requests exceeded the rate limit.")] = 0
    scopes: Annotated[
        list[str],
        Field(max_length=USED_SCOPES_MAX, description="The scopes that the requests needed."),
        Reason(f"Must be a list of at most {USED_SCOPES_MAX} strings."),
    ] = Field(default_factory=list)
    used: Annotated[
        bool, Field(description="Whether any of the requests was accepted, so that it counts as the token's last use.")
    ] = True


class Usage(RequestModel):
    """Body of a usage report, of requests that another app counted.

    A report with `reporter` and `number` that is sent again because its answer was lost is counted once.
    """

    model_config = ConfigDict(
        json_schema_extra={"dependentRequired": {"reporter": ["number"], "number": ["reporter"]}},
    )

    uses: Annotated[list[Use], Field(max_length=REPORT_ROWS_MAX, description="The rows of the report.")]
    reporter: LeftOut[
        Annotated[
            str,
            Field(
                pattern=f"^[0-9A-Za-z]{{1,{REPORTER_LENGTH_MAX}}}$",
                description="A random name that the reporting process chose when it started. Required with `number`.",
            ),
            Reason(f"Write 1 to {REPORTER_LENGTH_MAX} letters and digits, made at random."),
        ]
    ] = UNSET
    number: LeftOut[
        Annotated[
            int,
            WholeNumber(1, NUMBER_MAX),
            Field(description="The number of the report, counted by the reporter. Required with `reporter`."),
        ]
    ] = UNSET

    @model_validator(mode="after")
    def _named_whole(self) -> Self:
        for field, other in (("reporter", "number"), ("number", "reporter")):
            if getattr(self, field) is UNSET and getattr(self, other) is not UNSET:
                reason = f"Is required beside '{other}'."
                raise refused(reason, InputCode.REQUIRED, field)
        return self


_SENDER = "The IP address of the client that sent the token, as the calling app saw it."
_AGENT = "The user agent of the client that sent the token, as the calling app saw it."
_RUNS_IN = "The environment that the calling app runs in. Tokens of another one are not active there."
_CHECKS = "The environment of a calling app that rejects tokens of other environments by itself."


class AskedToken(RequestModel):
    """Token of a batch introspection."""

    token: Annotated[
        str,
        Field(min_length=1, description="The token's secret."),
        Reason("Must be a string with something in it."),
    ]
    version: Annotated[
        str | None, Field(description="The version of an earlier answer. The result says if it still holds.")
    ] = None
    used_in: Annotated[Environment | None, Field(description=_CHECKS)] = None
    client_ip: Annotated[str | None, Field(description=_SENDER)] = None
    client_user_agent: Annotated[str | None, Field(description=_AGENT)] = None
    presented: Annotated[
        bool,
        Field(
            description="Whether a client has just sent the token. With `false`, such as for an open connection that "
            "the calling app verifies again, a refusal is not written into the owner's audit log."
        ),
    ] = True


class IntrospectionBatch(RequestModel):
    """Body of a batch introspection."""

    tokens: Annotated[
        list[AskedToken],
        Field(min_length=1, max_length=INTROSPECTED_MAX, description="The tokens to describe."),
    ]
    environment: Annotated[Environment | None, Field(description=_RUNS_IN)] = None


ClientId = Annotated[
    str, Field(description="The ID of the token, or the name of the service, with which the caller authenticates.")
]
ClientSecret = Annotated[
    str, Field(description="The secret with which the caller authenticates, if it is not in the Authorization header.")
]
AppEnvironment = Annotated[
    str,
    BeforeValidator(refusable(_app_environment)),
    WithJsonSchema(ONE_ENVIRONMENT),
]


class TokenForm(FormModel):
    """Form with a token's secret."""

    token: Annotated[str, Field(min_length=1, description="The token's secret.")]
    token_type_hint: Annotated[LeftOut[str], Field(description="Ignored, as there is one type of tokens.")] = UNSET
    client_id: LeftOut[ClientId] = UNSET
    client_secret: LeftOut[ClientSecret] = UNSET


class IntrospectionForm(TokenForm):
    """Form with a token's secret, and where the token was presented."""

    environment: Annotated[LeftOut[AppEnvironment], Field(description=_RUNS_IN)] = UNSET
    used_in: Annotated[LeftOut[AppEnvironment], Field(description=_CHECKS)] = UNSET
    client_ip: Annotated[LeftOut[str], Field(description=_SENDER)] = UNSET
    client_user_agent: Annotated[LeftOut[str], Field(description=_AGENT)] = UNSET


class GraphQLRequest(RequestModel):
    """Body of a GraphQL request: one operation (GraphQL over HTTP, "Request Parameters")."""

    model_config = ConfigDict(extra="ignore")

    query: Annotated[str, Field(description="The document, with one or more operations.")]
    variables: Annotated[dict[str, Any] | None, Field(description="The values of the operation's variables.")] = None
    operation_name: Annotated[
        str | None,
        Field(alias="operationName", description="Which operation to run. Required if the document has several."),
    ] = None
    extensions: Annotated[dict[str, Any] | None, Field(description="Ignored.")] = None
