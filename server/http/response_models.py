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
from spacekey.models.tables.audit import OUTCOMES
from spacekey.resolvers.access.caller import PORTAL_KIND, SERVICE_KIND
from spacekey.resolvers.workspaces.figures import CountPrecision

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


Time = Annotated[
    str,
    WithJsonSchema({"type": "string", "format": "date-time", "pattern": r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$"}),
]
"""RFC 3339 in UTC with milliseconds, ending in Z."""
Environment = Annotated[str, _one_of(ENVIRONMENTS), Field(description="The environment that the key is valid in.")]
TokenKind = Annotated[
    str,
    _one_of((Kind.SPACE, Kind.WORKSPACE)),
    Field(description="Whether the key belongs to one space or to the whole workspace."),
]
Count = Annotated[int, Field(ge=0)]
HasMore = Annotated[bool, Field(description="Whether another page follows.")]
NextCursor = Annotated[str | None, Field(description="Send it as `after` to get the next page. Null on the last page.")]


class Actor(TypedDict):
    """Who made a change: a person, a token, a service, the operator, a user of a host application, or the system."""

    kind: Annotated[str, _one_of(ActorKind), Field(description="What kind of actor it is.")]
    id: Annotated[
        str, Field(description="The ID of the person, token or service, or the application's ID of its user.")
    ]
    name: Annotated[str, Field(description="The actor's name at that time. Use `kind` and `id` to identify it.")]
    unproven: Annotated[
        bool,
        Field(description="Whether the name is an email address that was not verified at that time."),
    ]


class ApiKey(TypedDict):
    """API key, without its secret."""

    id: Annotated[str, Field(description="The key's ID.")]
    name: Annotated[str, Field(description="The key's name.")]
    description: Annotated[str, Field(description="What the key is for. Empty if there is no description.")]
    kind: TokenKind
    environment: Environment
    prefix: Annotated[str, Field(description="The first 12 characters of the secret, followed by an ellipsis.")]
    permissions: Annotated[
        list[str], Field(description="The scopes, shorthands or role that the key was granted, as they were given.")
    ]
    scopes: Annotated[
        list[str],
        Field(
            description="The scopes that the key has now, sorted by name: what its permissions expand to, reduced to "
            "what the plan, the policy and the roles of the workspace allow."
        ),
    ]
    role: Annotated[
        str | None, Field(description="The name of the key's role. Null if it was granted scopes instead of a role.")
    ]
    status: Annotated[str, _one_of(Status), Field(description="Whether the key is accepted, or why it is not.")]
    workspace_id: Annotated[str, Field(description="The ID of the workspace that the key belongs to.")]
    space_id: Annotated[
        str | None, Field(description="The ID of the space that the key belongs to. Null for keys of a workspace.")
    ]
    created_at: Annotated[Time, Field(description="When the key was created.")]
    created_by: Annotated[Actor, Field(description="Who created the key.")]
    expires_at: Annotated[Time | None, Field(description="When the key expires. Null if it does not.")]
    last_used_at: Annotated[Time | None, Field(description="When the key was last used. Null if it never was.")]
    disabled_at: Annotated[Time | None, Field(description="When the key was disabled. Null if it is not disabled.")]
    revoked_at: Annotated[Time | None, Field(description="When the key was revoked. Null if it was not.")]
    revoked_reason: Annotated[str | None, Field(description="Why the key was revoked. Null if no reason was given.")]
    grace_ends_at: Annotated[
        Time | None,
        Field(
            description="When the key's grace period ends, or when its successor's first use ended it. Null if the "
            "key was not rotated."
        ),
    ]
    rotated_from: Annotated[
        str | None, Field(description="The ID of the key that this one replaced. Null if there is none.")
    ]
    rotated_to: Annotated[
        str | None, Field(description="The ID of the key that replaced this one. Null if it was not rotated.")
    ]
    external_id: Annotated[
        str | None, Field(description="The ID that your application has for the key's owner. Null if it gave none.")
    ]
    metadata: Annotated[
        dict[str, Any], Field(description="The JSON object that your application attached. Empty if there is none.")
    ]
    imported_from: Annotated[
        str | None,
        Field(description="The name of the key format that the key was imported with. Null if it was made here."),
    ]


class ChangedApiKey(ApiKey):
    """API key after a change."""

    effective_at: Annotated[
        Time,
        Field(description="When the change has taken effect in every process. In the past unless `wait` is false."),
    ]


class NewApiKey(ChangedApiKey):
    """New API key with its secret, which no other answer has.

    The answer begins with `id`, `name`, `key`, `permissions` and `created_at`.
    """

    key: Annotated[str, Field(description="The secret. It is shown only in this answer and is not stored.")]


class ReplayedApiKey(ApiKey):
    """API key that an earlier request with the same `Idempotency-Key` created, without its secret."""

    replayed: Annotated[Literal[True], Field(description="Always true.")]
    detail: Annotated[str, Field(description="What to do if the secret is lost, for people.")]


class ApiKeyPage(TypedDict):
    """Page of API keys."""

    api_keys: Annotated[list[ApiKey], Field(description="The keys of this page.")]
    has_more: HasMore
    next_cursor: NextCursor
    count: NotRequired[
        Annotated[
            Count, Field(description="How many keys meet the conditions, on all pages. Only if `count` was asked for.")
        ]
    ]
    count_precision: NotRequired[
        Annotated[
            str,
            _one_of(CountPrecision),
            Field(description="Whether there are exactly that many, or at least. Only if `count` was asked for."),
        ]
    ]


class RateLimit(TypedDict):
    """Rate limit of a token."""

    per_minute: Annotated[Count, Field(description="How many requests are allowed in a minute, over time.")]
    burst: Annotated[Count, Field(description="How many requests are allowed at once.")]


class Workspace(TypedDict):
    """Workspace that the caller may read."""

    id: Annotated[str, Field(description="The workspace's ID.")]
    name: Annotated[str, Field(description="The workspace's name.")]
    slug: Annotated[str, Field(description="The workspace's name in addresses. Unique on this server.")]
    product: Annotated[str, Field(description="The name of the product that it belongs to.")]
    plan: Annotated[str, Field(description="The name of the workspace's plan.")]
    rate_limit: Annotated[
        RateLimit | None, Field(description="The workspace's own rate limit. Null if its plan's applies.")
    ]
    created_at: Annotated[Time, Field(description="When the workspace was created.")]
    suspended_at: Annotated[
        Time | None, Field(description="When the operator suspended the workspace. Null if it is not suspended.")
    ]
    external_id: Annotated[
        str | None,
        Field(
            description="The ID that your application has for its tenant. Unique in the product. Null if it has none."
        ),
    ]


class ChangedWorkspace(Workspace):
    """Workspace after a change."""

    effective_at: Annotated[
        Time,
        Field(description="When the change has taken effect in every process. In the past unless `wait` is false."),
    ]


class DeletedWorkspace(TypedDict):
    """Workspace that was deleted."""

    id: Annotated[str, Field(description="The workspace's ID.")]
    effective_at: Annotated[Time, Field(description="When its tokens are rejected in every process.")]


class WorkspacePage(TypedDict):
    """Page of workspaces, by name."""

    workspaces: Annotated[list[Workspace], Field(description="The workspaces of this page.")]
    has_more: HasMore
    next_cursor: NextCursor


class Space(TypedDict):
    """Space of a workspace."""

    id: Annotated[str, Field(description="The space's ID.")]
    name: Annotated[str, Field(description="The space's name.")]
    slug: Annotated[str, Field(description="The space's name in addresses. Unique in its workspace.")]
    workspace_id: Annotated[str, Field(description="The ID of the workspace that the space belongs to.")]
    created_at: Annotated[Time, Field(description="When the space was created.")]
    external_id: Annotated[
        str | None,
        Field(description="The ID that your application has for it. Unique in the workspace. Null if it has none."),
    ]


class DeletedSpace(TypedDict):
    """Space that was deleted."""

    id: Annotated[str, Field(description="The space's ID.")]
    effective_at: Annotated[Time, Field(description="When its tokens are rejected in every process.")]


class SpacePage(TypedDict):
    """Page of spaces, by name."""

    spaces: Annotated[list[Space], Field(description="The spaces of this page.")]
    has_more: HasMore
    next_cursor: NextCursor


class Principal(TypedDict):
    """The caller, and its scopes."""

    id: Annotated[str, Field(description="The ID of the token or person.")]
    kind: Annotated[
        str,
        _one_of((*Kind, SERVICE_KIND, PORTAL_KIND)),
        Field(description="Whether the caller is a token, and of what, a person, a service or a portal session."),
    ]
    name: Annotated[str, Field(description="The name of the token or person.")]
    workspace_id: Annotated[str | None, Field(description="The ID of the token's workspace. Null for people.")]
    space_id: Annotated[
        str | None, Field(description="The ID of the token's space. Null for people and tokens of a workspace.")
    ]
    environment: Annotated[Environment | None, Field(description="The token's environment. Null for people.")]
    scopes: Annotated[
        list[str],
        Field(
            description="The caller's scopes, sorted by name. For people, those of all of their workspaces together."
        ),
    ]
    expires_at: Annotated[Time | None, Field(description="When the token or session expires. Null if it does not.")]
    external_id: Annotated[
        str | None, Field(description="The ID that your application has for the token's owner. Null if it gave none.")
    ]
    metadata: Annotated[
        dict[str, Any], Field(description="The JSON object that your application attached. Empty if there is none.")
    ]
    rate_limit: Annotated[
        RateLimit | None, Field(description="The rate limit of the token's plan. Null if there is none.")
    ]


class Introspection(TypedDict):
    """Description of a token (RFC 7662, section 2.2). A token that is not active to the caller has only `active`."""

    active: Annotated[bool, Field(description="Whether the token is valid, and the caller may know of it.")]
    sub: NotRequired[Annotated[str, Field(description="The token's ID.")]]
    token_type: NotRequired[Annotated[str, Field(description="Always `Bearer`.")]]
    kind: NotRequired[TokenKind]
    name: NotRequired[Annotated[str, Field(description="The token's name.")]]
    scope: NotRequired[Annotated[str, Field(description="The token's scopes now, separated by spaces.")]]
    workspace_id: NotRequired[Annotated[str, Field(description="The ID of the token's workspace.")]]
    space_id: NotRequired[
        Annotated[str, Field(description="The ID of the token's space. Left out for tokens of a workspace.")]
    ]
    environment: NotRequired[Environment]
    exp: NotRequired[
        Annotated[
            int,
            Field(description="When the token expires, in whole seconds since 1970, rounded down. Left out if never."),
        ]
    ]
    expires_at: NotRequired[Annotated[Time, Field(description="The same time as `exp`, with milliseconds.")]]
    rate_limit: NotRequired[
        Annotated[RateLimit, Field(description="The rate limit of the token's plan. Left out if there is none.")]
    ]
    external_id: NotRequired[
        Annotated[
            str, Field(description="The ID that your application has for the token's owner. Left out if it gave none.")
        ]
    ]
    metadata: NotRequired[
        Annotated[
            dict[str, Any],
            Field(description="The JSON object that your application attached. Left out if there is none."),
        ]
    ]
    rate_limit_key: NotRequired[
        Annotated[str, Field(description="What requests are counted against. Left out if it is `sub`.")]
    ]
    max_age: NotRequired[
        Annotated[
            float,
            Field(
                description="For how many seconds the answer may be relied on, counted from before it was asked for."
            ),
        ]
    ]


class DescribedToken(Introspection):
    """Result for one token of a batch: the answer to its introspection by itself."""

    version: NotRequired[
        Annotated[str, Field(description="The version of this answer. Left out if the token is not active.")]
    ]


class UnchangedToken(TypedDict):
    """Result for a token whose answer still has the version that was sent."""

    active: Annotated[Literal[True], Field(description="Always true.")]
    unchanged: Annotated[Literal[True], Field(description="Always true. The earlier answer still holds.")]


class UnansweredToken(TypedDict):
    """Result for a token that cannot be verified now."""

    error: Annotated[
        str,
        _one_of(("temporarily_unavailable", "invalid_request")),
        Field(description="Why the token could not be verified, for programs."),
    ]
    error_description: NotRequired[Annotated[str, Field(description="What is wrong, for people.")]]
    retry_after: NotRequired[Annotated[Count, Field(description="How many seconds to wait before asking again.")]]


class IntrospectionResults(TypedDict):
    """One result for each token, in the order of the request."""

    results: Annotated[
        list[DescribedToken | UnchangedToken | UnansweredToken],
        Field(description="The results. One with `error` is not an answer, and one with `unchanged` has nothing new."),
    ]


class Accepted(TypedDict):
    """Answer to a usage report."""

    accepted: Annotated[Count, Field(description="How many rows of the report were counted.")]
    requests_too_old: NotRequired[
        Annotated[Count, Field(description="How many requests were not counted, as they are more than 7 days old.")]
    ]


class Requests(TypedDict):
    """Numbers of requests."""

    allowed: Annotated[Count, Field(description="How many requests were allowed.")]
    denied: Annotated[Count, Field(description="How many requests were denied because of a missing scope.")]
    rate_limited: Annotated[Count, Field(description="How many requests exceeded the rate limit.")]


class UsageDay(Requests):
    """Requests of one day, in UTC."""

    day: Annotated[str, WithJsonSchema({"type": "string", "format": "date"}), Field(description="The day, in UTC.")]


class WorkspaceUsage(TypedDict):
    """Usage of a workspace."""

    days: Annotated[
        list[UsageDay],
        Field(description="The days with requests, oldest first. Requests of deleted keys are among them."),
    ]


class BusyApiKey(Requests):
    """API key with its requests in a number of days."""

    api_key: Annotated[ApiKey, Field(description="The key.")]


class BusiestApiKeys(TypedDict):
    """API keys with the most requests."""

    api_keys: Annotated[list[BusyApiKey], Field(description="The keys, the busiest first.")]


class Quota(TypedDict):
    """How many keys count towards a workspace's plan."""

    used: Annotated[
        Count,
        Field(
            description="How many keys are neither revoked nor expired. A key and the one that replaces it count once."
        ),
    ]
    max: Annotated[Count | None, Field(description="How many keys the plan includes. Null if it does not limit them.")]


class AuditEvent(TypedDict):
    """Event of an audit log: something that was done, or refused."""

    id: Annotated[str, Field(description="The event's ID.")]
    at: Annotated[Time, Field(description="When it happened.")]
    action: Annotated[str, Field(description="What was done, such as `token.revoke`. Expect new actions to be added.")]
    outcome: Annotated[str, _one_of(OUTCOMES), Field(description="How the action ended.")]
    actor: Annotated[Actor, Field(description="Who did it.")]
    target_id: Annotated[str, Field(description="The ID of the object that the action was about.")]
    target_name: Annotated[
        str,
        Field(description="The name of the person that the action was about. Empty if it was about no person."),
    ]
    before: Annotated[
        dict[str, Any] | None, Field(description="The changed values before the action. Null if the action has none.")
    ]
    after: Annotated[
        dict[str, Any] | None, Field(description="The changed values after the action. Null if the action has none.")
    ]
    ip: Annotated[str, Field(description="The IP address that the request came from. Empty if it is unknown.")]
    user_agent: Annotated[str, Field(description="The user agent of the request. Empty if it is unknown.")]
    request_id: Annotated[
        str, Field(description="The ID of the request, as in the answer's `X-Request-Id` and in the server's log.")
    ]


class AuditEventPage(TypedDict):
    """Page of events, newest first."""

    audit_events: Annotated[list[AuditEvent], Field(description="The events of this page.")]
    has_more: HasMore
    next_cursor: NextCursor


class HostPerson(TypedDict):
    """Person of the product that Spacekey is part of."""

    id: Annotated[str, Field(description="The product's own ID of the person.")]
    name: Annotated[str, Field(description="The person's name.")]


class OpenedSession(TypedDict):
    """New portal session with its secret, which no other answer has."""

    id: Annotated[str, Field(description="The session's ID.")]
    secret: Annotated[
        str, Field(description="The bearer for the person's pages. It is shown only in this answer and is not stored.")
    ]
    workspace_id: Annotated[str, Field(description="The ID of the workspace.")]
    person: Annotated[HostPerson, Field(description="Whose session it is.")]
    scopes: Annotated[list[str], Field(description="The scopes that the session has now, sorted by name.")]
    tokens: Annotated[
        str, _one_of(("own", "workspace")), Field(description="Whether it sees the person's keys or all of them.")
    ]
    origins: Annotated[list[str], Field(description="The origins that its requests must come from.")]
    expires_at: Annotated[Time, Field(description="When the session ends.")]


class EndedSessions(TypedDict):
    """Portal sessions that were ended."""

    ended: Annotated[Count, Field(description="How many sessions of the person were ended.")]


class GraphQLResult(TypedDict, total=False):
    """Result of an operation (GraphQL specification, section 7.1)."""

    data: Annotated[dict[str, Any] | None, Field(description="The values of the fields. Left out if nothing ran.")]
    errors: Annotated[list[dict[str, Any]], Field(description="What went wrong. Each has a code in `extensions.code`.")]
    extensions: Annotated[dict[str, Any], Field(description="The cost of the operation.")]


class Health(TypedDict):
    """Answer of `/healthz`."""

    status: Annotated[str, _one_of(("ok",)), Field(description="Always `ok`.")]


class Readiness(Health):
    """Answer of `/readyz`."""

    failover: NotRequired[
        Annotated[
            str,
            Field(
                description="Whether promoting PostgreSQL's standby could bring back revoked tokens. Left out if there "
                "is no standby."
            ),
        ]
    ]


class InputError(TypedDict):
    """What is wrong with one value of an input."""

    pointer: Annotated[
        str,
        Field(
            description="Where the value is: a JSON pointer into the body (RFC 6901), or `/` and a parameter's name."
        ),
    ]
    code: Annotated[str, _one_of(code.lower() for code in InputCode), Field(description="What is wrong, for programs.")]
    detail: Annotated[str, Field(description="What is wrong and what is expected instead, for people.")]


class Problem(TypedDict):
    """Problem document (RFC 9457). Some codes have members of their own."""

    type: Annotated[str, Field(description="The kind of problem, as a URN.")]
    title: Annotated[str, Field(description="The kind of problem, for people.")]
    status: Annotated[int, Field(description="The HTTP status.")]
    detail: Annotated[str, Field(description="What went wrong and what to do about it, for people.")]
    code: Annotated[str, Field(description="The kind of problem, for programs. Expect new codes to be added.")]
    errors: NotRequired[
        Annotated[list[InputError], Field(description="All that is wrong with the input. With code `invalid_input`.")]
    ]
    what: NotRequired[Annotated[str, Field(description="What was not found. With code `not_found`.")]]
    missing_scopes: NotRequired[
        Annotated[
            list[str],
            Field(
                description="The scopes that the caller lacks: the smallest set to add with code `insufficient_scope`, "
                "those that it cannot grant with code `scope_not_allowed`."
            ),
        ]
    ]
    plan: NotRequired[Annotated[str, Field(description="The name of the workspace's plan. With code `plan_limit`.")]]
    successor_id: NotRequired[
        Annotated[str, Field(description="The ID of the key that replaced this one. With code `already_rotated`.")]
    ]
    request_id: NotRequired[
        Annotated[str, Field(description="The ID of the request in the server's log. With code `internal`.")]
    ]
    violated_policies: NotRequired[
        Annotated[
            list[str],
            Field(
                alias="violated-policies", description="The rate limits that were exceeded. With code `rate_limited`."
            ),
        ]
    ]


class OAuthError(Problem):
    """Problem document with the members of an OAuth error (RFC 6749, section 5.2)."""

    error: Annotated[str, Field(description="The OAuth error code.")]
    error_description: Annotated[str, Field(description="What went wrong, for people. The same as `detail`.")]


API_KEY = Answer(ApiKey)
API_KEY_PAGE = Answer(ApiKeyPage)
WORKSPACE_SHOWN = Answer(Workspace)
CHANGED_WORKSPACE = Answer(ChangedWorkspace)
DELETED_WORKSPACE = Answer(DeletedWorkspace)
SPACE_SHOWN = Answer(Space)
DELETED_SPACE = Answer(DeletedSpace)
WORKSPACE_PAGE = Answer(WorkspacePage)
SPACE_PAGE = Answer(SpacePage)
CHANGED_API_KEY = Answer(ChangedApiKey)
NEW_API_KEY = Answer(NewApiKey)
REPLAYED_API_KEY = Answer(ReplayedApiKey)
PRINCIPAL = Answer(Principal)
INTROSPECTION = Answer(Introspection)
INTROSPECTION_RESULTS = Answer(IntrospectionResults)
ACCEPTED = Answer(Accepted)
USAGE = Answer(WorkspaceUsage)
BUSIEST_API_KEYS = Answer(BusiestApiKeys)
QUOTA = Answer(Quota)
AUDIT_EVENT_PAGE = Answer(AuditEventPage)
PORTAL_SESSION_OPENED = Answer(OpenedSession)
ENDED_PORTAL_SESSIONS = Answer(EndedSessions)
GRAPHQL_RESULT = Answer(GraphQLResult)
HEALTH = Answer(Health)
READINESS = Answer(Readiness)
OPENAPI = Answer(dict[str, Any])
METRICS = Answer(str)
