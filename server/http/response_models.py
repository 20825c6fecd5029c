"""Models of the responses of the REST API: one typed dictionary for each.

A route builds the dictionary, :class:`Answer` serializes it as JSON, and the OpenAPI document shows it. Times are text
in it, so that serializing a page calls no Python function for each time.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cached_property
from typing import Annotated, Any, Generic, Literal, NotRequired, TypeVar

from pydantic import Field, TypeAdapter, WithJsonSchema
from starlette.responses import Response
from typing_extensions import TypedDict

from spacekey.domain.actor import ActorKind
from spacekey.domain.principal import Kind
from spacekey.domain.refusal import InputCode
from spacekey.domain.secret import ENVIRONMENTS
from spacekey.domain.token_state import Status

T = TypeVar("T")


class Answer(Generic[T]):
    """Serializer of one kind of response, built when it is first used."""

    def __init__(self, kind: type[T]) -> None:
        self.kind = kind

    @cached_property
    def adapter(self) -> TypeAdapter[T]:
        """Pydantic's serializer, also the source of the JSON schema."""
        return TypeAdapter(self.kind)

    def response(self, value: T, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
        """Return the response. Pydantic's warnings are disabled, as they repeat values, which may be secrets."""
        body = self.adapter.dump_json(value, warnings=False)
        return Response(body, status, headers, media_type="application/json")


def _one_of(names: Iterable[str]) -> WithJsonSchema:
    return WithJsonSchema({"type": "string", "enum": list(names)})


Time = Annotated[str, WithJsonSchema({"type": "string", "format": "date-time"})]
"""RFC 3339 in UTC with milliseconds, ending in Z."""
Environment = Annotated[str, _one_of(ENVIRONMENTS)]
TokenKind = Annotated[str, _one_of((Kind.SPACE, Kind.WORKSPACE))]
Count = Annotated[int, Field(ge=0)]


class Actor(TypedDict):
    """Actor of a change."""

    kind: Annotated[str, _one_of(ActorKind)]
    id: str
    name: Annotated[str, Field(description="What they were called at that moment; kind and id identify.")]
    unproven: Annotated[
        bool,
        Field(description="Whether the name is an e-mail address that was not known to be theirs at that moment."),
    ]


class ApiKey(TypedDict):
    """Key without its secret."""

    id: str
    name: str
    description: str
    kind: TokenKind
    environment: Environment
    prefix: Annotated[str, Field(description="The first 12 characters and an ellipsis.")]
    permissions: Annotated[list[str], Field(description="What was given.")]
    scopes: Annotated[list[str], Field(description="What it comes to now.")]
    role: str | None
    status: Annotated[str, _one_of(Status)]
    workspace_id: str
    space_id: str | None
    created_at: Time
    created_by: Actor
    expires_at: Time | None
    last_used_at: Time | None
    disabled_at: Time | None
    revoked_at: Time | None
    revoked_reason: str | None
    retires_at: Annotated[Time | None, Field(description="When the grace after a rotation ends.")]
    rotated_from: str | None
    rotated_to: str | None


class ChangedApiKey(ApiKey):
    """Key after a change."""

    effective_at: Annotated[Time, Field(description="From when the change holds in every process.")]


class NewApiKey(ChangedApiKey):
    """New key with its secret, which no other answer has.

    The answer begins with ``id``, ``name``, ``key``, ``permissions`` and ``created_at``.
    """

    key: Annotated[str, Field(description="The secret. It is shown here only and is not stored.")]


class ReplayedApiKey(ApiKey):
    """Key that an earlier request with the same ``Idempotency-Key`` created, without its secret."""

    replayed: Literal[True]
    detail: Annotated[str, Field(description="Which key to rotate for a new secret, for people.")]


class ApiKeyPage(TypedDict):
    """Page of keys."""

    api_keys: list[ApiKey]
    has_more: Annotated[bool, Field(description="Whether another page follows.")]
    next_cursor: Annotated[
        str | None, Field(description="Send it as 'after' for the following page; null on the last.")
    ]


class Workspace(TypedDict):
    """Workspace that the caller may read."""

    id: str
    name: str
    slug: str
    plan: Annotated[str, Field(description="The name of its plan.")]
    created_at: Time
    suspended_at: Annotated[Time | None, Field(description="When the operator suspended it; null: it is not.")]


class WorkspacePage(TypedDict):
    """Page of workspaces, by name."""

    workspaces: list[Workspace]
    has_more: Annotated[bool, Field(description="Whether another page follows.")]
    next_cursor: Annotated[
        str | None, Field(description="Send it as 'after' for the following page; null on the last.")
    ]


class Space(TypedDict):
    """Space of a workspace."""

    id: str
    name: str
    slug: str
    workspace_id: str
    created_at: Time


class SpacePage(TypedDict):
    """Page of spaces, by name."""

    spaces: list[Space]
    has_more: Annotated[bool, Field(description="Whether another page follows.")]
    next_cursor: Annotated[
        str | None, Field(description="Send it as 'after' for the following page; null on the last.")
    ]


class RateLimit(TypedDict):
    """Rate limit of a token."""

    per_minute: Count
    burst: Count


class Principal(TypedDict):
    """The caller, and its scopes."""

    id: str
    kind: Annotated[str, _one_of(Kind)]
    name: str
    workspace_id: str | None
    space_id: str | None
    environment: Environment | None
    scopes: list[str]
    expires_at: Time | None
    limit: RateLimit | None


class Introspection(TypedDict):
    """Description of a token (RFC 7662 §2.2); for one that is not active to the caller, only ``{"active": false}``."""

    active: bool
    sub: NotRequired[str]
    token_type: NotRequired[str]
    kind: NotRequired[TokenKind]
    name: NotRequired[str]
    scope: NotRequired[str]
    workspace_id: NotRequired[str]
    space_id: NotRequired[str]
    environment: NotRequired[Environment]
    exp: NotRequired[Annotated[int, Field(description="Seconds since 1970, rounded down.")]]
    expires_at: NotRequired[Annotated[Time, Field(description="The same moment, exactly.")]]
    limit: NotRequired[RateLimit]
    limit_key: NotRequired[Annotated[str, Field(description="What the limit is charged to, where it is not sub.")]]
    max_age: NotRequired[
        Annotated[float, Field(description="Seconds the answer may be relied on, from before asking.")]
    ]


class DescribedToken(Introspection):
    """Result for one token of a batch: the answer to its single introspection."""

    version: NotRequired[Annotated[str, Field(description="Of this answer; only if it is active.")]]


class UnchangedToken(TypedDict):
    """Result for a token whose answer has the version that was sent."""

    active: Literal[True]
    unchanged: Literal[True]


class UnansweredToken(TypedDict):
    """Result for a token that cannot be verified now, with the reason."""

    error: Annotated[str, _one_of(("temporarily_unavailable", "invalid_request"))]
    error_description: NotRequired[str]
    retry_after: NotRequired[Annotated[Count, Field(description="Seconds.")]]


class IntrospectionResults(TypedDict):
    """One result for each token, in the same order."""

    results: list[DescribedToken | UnchangedToken | UnansweredToken]


class Accepted(TypedDict):
    """Answer to a usage report, with the number of rows that were kept."""

    accepted: Count
    requests_too_old: NotRequired[
        Annotated[Count, Field(description="Requests in rows of more than 7 days ago, which are counted nowhere.")]
    ]


class GraphQLResult(TypedDict, total=False):
    """Result of an operation (GraphQL specification §7.1)."""

    data: dict[str, Any] | None
    errors: list[dict[str, Any]]
    extensions: dict[str, Any]


class Health(TypedDict):
    """Answer of ``/healthz``."""

    status: Annotated[str, _one_of(("ok",))]


class Readiness(Health):
    """Answer of ``/readyz``."""

    failover: NotRequired[
        Annotated[str, Field(description="Where PostgreSQL has a standby: what promoting it may bring back.")]
    ]


class InputError(TypedDict):
    """One fault of an input."""

    pointer: Annotated[
        str, Field(description="Where it is: a JSON pointer into the body (RFC 6901), or `/` and a parameter's name.")
    ]
    code: Annotated[str, _one_of(code.lower() for code in InputCode), Field(description="What is wrong, for programs.")]
    detail: Annotated[str, Field(description="What is wrong and what to do about it, for people.")]


class Problem(TypedDict):
    """Problem document (RFC 9457), with further members for some codes."""

    type: str
    title: str
    status: int
    detail: str
    code: Annotated[str, Field(description="A stable word for programs.")]
    errors: NotRequired[Annotated[list[InputError], Field(description="All faults of the input; code invalid_input.")]]
    what: NotRequired[Annotated[str, Field(description="What was not found; code not_found.")]]
    scopes: NotRequired[Annotated[list[str], Field(description="What cannot be granted; code scope_not_allowed.")]]
    missing_scopes: NotRequired[Annotated[list[str], Field(description="The smallest set to add.")]]
    plan: NotRequired[Annotated[str, Field(description="The workspace's plan; code plan_limit.")]]
    successor_id: NotRequired[
        Annotated[str, Field(description="The key that replaced this one; code already_rotated.")]
    ]
    request_id: NotRequired[Annotated[str, Field(description="Under which the log has the rest; code internal.")]]
    violated_policies: NotRequired[
        Annotated[
            list[str],
            Field(alias="violated-policies", description="Which limits are used up; code rate_limited."),
        ]
    ]


class OAuthError(Problem):
    """Problem document with the members of an OAuth error (RFC 6749 §5.2)."""

    error: str
    error_description: str


API_KEY = Answer(ApiKey)
API_KEY_PAGE = Answer(ApiKeyPage)
WORKSPACE_PAGE = Answer(WorkspacePage)
SPACE_PAGE = Answer(SpacePage)
CHANGED_API_KEY = Answer(ChangedApiKey)
NEW_API_KEY = Answer(NewApiKey)
REPLAYED_API_KEY = Answer(ReplayedApiKey)
PRINCIPAL = Answer(Principal)
INTROSPECTION = Answer(Introspection)
INTROSPECTION_RESULTS = Answer(IntrospectionResults)
ACCEPTED = Answer(Accepted)
GRAPHQL_RESULT = Answer(GraphQLResult)
HEALTH = Answer(Health)
READINESS = Answer(Readiness)
OPENAPI = Answer(dict[str, Any])
METRICS = Answer(str)
