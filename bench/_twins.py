"""Bare twins of the server's calls: the same answers from the raw driver, behind plain Starlette and plain Strawberry.

Nothing of Spacekey is in here, and nothing is checked: no credentials, no scopes, no limits, no audit. What a call of
the product costs over its twin is what those cost. ``uvicorn --factory bench._twins:app`` serves them.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import secrets
import sqlite3
import zlib
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from enum import Enum
from typing import Any
from urllib.parse import parse_qsl

import asyncpg
import strawberry
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route
from strawberry.asgi import GraphQL
from strawberry.extensions import ParserCache, ValidationCache
from strawberry.schema.config import StrawberryConfig
from strawberry.types.scalar import ScalarDefinition

DATABASE = "BENCH_TWIN_DATABASE"
"""A path of an SQLite file, or the connection string of a PostgreSQL (``postgres://…``)."""

BASE62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
CROCKFORD = "0123456789abcdefghjkmnpqrstvwxyz"
CONNECTIONS = 10
PAGE = """
    SELECT t.id, t.prefix, t.name, t.description, t.kind, t.environment, t.grants, t.created_at, t.created_by_kind,
        t.created_by_id, t.created_by_name, t.expires_at, t.retires_at, t.disabled_at, t.revoked_at, t.last_used_at,
        t.last_used_ip, t.space_id, s.name AS space_name, t.workspace_id, t.revoked_reason, t.rotated_from_id,
        t.rotated_to_id, t.external_id, t.metadata, t.imported_from
    FROM spacekey_tokens t LEFT JOIN spacekey_spaces s ON s.id = t.space_id
    WHERE t.workspace_id = $1 AND t.deleted_at IS NULL ORDER BY t.created_at DESC, t.id DESC LIMIT $2
"""
BY_DIGEST = """
    SELECT id, name, kind, environment, workspace_id, space_id, grants, expires_at, disabled_at, revoked_at,
        external_id, metadata
    FROM spacekey_tokens WHERE digest = $1
"""
HEAD = "SELECT sequence, hash FROM spacekey_audit_chains WHERE chain = $1"
MOVE = "UPDATE spacekey_audit_chains SET sequence = $2, hash = $3 WHERE chain = $1"
TOKEN_COLUMNS = (
    *("id", "digest", "prefix", "name", "description", "kind", "environment", "workspace_id", "space_id", "grants"),
    *("created_at", "created_by_id", "created_by_name", "created_by_kind", "first_use_retires", "search_text"),
)
EVENT_COLUMNS = (
    *("id", "chain", "sequence", "at", "action", "outcome", "actor_id", "actor_name", "credential", "target_id"),
    *("after", "ip", "user_agent", "request_id", "hash", "version", "actor_kind", "target_name", "actor_salt"),
    *("actor_digest", "actor_erased", "target_salt", "target_digest", "target_erased"),
)


def inserting(table: str, columns: tuple[str, ...]) -> str:
    """An INSERT with a parameter for each column."""
    names = ", ".join(f'"{name}"' for name in columns)
    return f"INSERT INTO {table} ({names}) VALUES ({', '.join(f'${one}' for one in range(1, len(columns) + 1))})"


INSERT_TOKEN = inserting("spacekey_tokens", TOKEN_COLUMNS)
INSERT_EVENT = inserting("spacekey_audit_events", EVENT_COLUMNS)


class OnSqlite:
    """One connection of the raw driver, used straight from the event loop."""

    def __init__(self, path: str) -> None:
        self._connection = sqlite3.connect(path, isolation_level=None)
        self._connection.row_factory = sqlite3.Row
        for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
            self._connection.execute(f"PRAGMA {pragma}")

    async def rows(self, statement: str, *arguments: object) -> list[Any]:
        """The rows of a query."""
        return self._connection.execute(statement.replace("$", "?"), arguments).fetchall()

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[OnSqlite]:
        """One change."""
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            yield self
        except BaseException:
            self._connection.execute("ROLLBACK")
            raise
        self._connection.execute("COMMIT")

    @staticmethod
    def moment(value: Any) -> datetime | None:
        """A stored moment."""
        return None if value is None else datetime.fromisoformat(value).replace(tzinfo=UTC)

    @staticmethod
    def stored(value: object) -> object:
        """A value as the database takes it."""
        return value.strftime("%Y-%m-%d %H:%M:%S.%f") if isinstance(value, datetime) else value

    async def aclose(self) -> None:
        """Close the connection."""
        self._connection.close()


class OnPostgres:
    """A pool of the raw driver's connections."""

    def __init__(self, pool: Any) -> None:
        self._pool = pool

    async def rows(self, statement: str, *arguments: object) -> list[Any]:
        """The rows of a query."""
        found: list[Any] = await self._pool.fetch(statement, *arguments)
        return found

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[OnPostgres]:
        """One change, on one connection."""
        async with self._pool.acquire() as connection, connection.transaction():
            yield OnPostgres(connection)

    @staticmethod
    def moment(value: Any) -> datetime | None:
        """A stored moment."""
        return None if value is None else value.astimezone(UTC)

    @staticmethod
    def stored(value: object) -> object:
        """A value as the database takes it."""
        return value

    async def aclose(self) -> None:
        """Close the pool."""
        await self._pool.close()


Database = OnSqlite | OnPostgres


def exactly(moment: datetime) -> str:
    """RFC 3339 to the millisecond, of a time that is there."""
    return moment.isoformat(timespec="milliseconds").removesuffix("+00:00") + "Z"


def shortly(moment: datetime | None) -> str | None:
    """RFC 3339 to the millisecond."""
    return None if moment is None else moment.isoformat(timespec="milliseconds").removesuffix("+00:00") + "Z"


def status_of(moment: Callable[[Any], datetime | None], row: Any, now: datetime) -> str:
    """The status that a token's moments come to."""
    if row["revoked_at"] is not None:
        return "revoked"
    ends = [one for one in (moment(row["expires_at"]), moment(row["retires_at"])) if one is not None]
    if ends and min(ends) <= now:
        return "expired"
    return "active" if row["disabled_at"] is None else "disabled"


def cursor_of(row: Any, moment: Callable[[Any], datetime | None]) -> str:
    """An opaque cursor with a checksum, as the product's."""
    created = moment(row["created_at"])
    written = "" if created is None else created.isoformat()
    body = json.dumps(["tokens.created_at.desc", written, row["id"]], separators=(",", ":")).encode()
    checksum = hashlib.sha256(b"spacekey cursor\0" + body).digest()[:8]
    return base64.urlsafe_b64encode(checksum + body).rstrip(b"=").decode()


@strawberry.enum
class TokenKind(Enum):
    """Kinds."""

    SPACE = "space"
    WORKSPACE = "workspace"


@strawberry.enum
class TokenStatus(Enum):
    """Statuses."""

    ACTIVE = "active"
    DISABLED = "disabled"
    EXPIRED = "expired"
    REVOKED = "revoked"


@strawberry.enum
class ActorKind(Enum):
    """Kinds of actors."""

    PERSON = "person"
    TOKEN = "token"
    OPERATOR = "operator"
    SERVICE = "service"
    SYSTEM = "system"


@strawberry.type
class Actor:
    """Who did something."""

    kind: ActorKind
    actor_id: strawberry.ID
    name: str
    unproven: bool


@strawberry.type
class Space:
    """A space."""

    id: strawberry.ID
    name: str


@strawberry.type
class Token:
    """A token."""

    id: strawberry.ID
    display_id: str
    name: str
    description: str | None
    kind: TokenKind
    environment: str
    prefix: str
    masked_token: str
    role: str | None
    grants: list[str]
    scopes: list[str]
    status: TokenStatus
    created_at: datetime
    created_by: Actor
    expires_at: datetime | None
    grace_ends_at: datetime | None
    disabled_at: datetime | None
    last_used_at: datetime | None
    last_used_ip: str | None
    space: Space | None


@strawberry.type
class PageInfo:
    """What lies beyond a page."""

    has_next_page: bool
    has_previous_page: bool
    start_cursor: str | None
    end_cursor: str | None


@strawberry.type
class TokenEdge:
    """A row and its cursor."""

    node: Token
    cursor: str


@strawberry.type
class TokenConnection:
    """A page."""

    edges: list[TokenEdge]
    nodes: list[Token]
    page_info: PageInfo


Info = strawberry.Info[dict[str, Any], None]


def database_of(info: Info) -> Database:
    """The database behind a GraphQL request."""
    found: Database = info.context["request"].app.state.database
    return found


@strawberry.type
class Workspace:
    """A workspace."""

    id: strawberry.ID

    @strawberry.field
    async def tokens(self, info: Info, first: int = 20) -> TokenConnection:
        """The newest tokens, from one query."""
        database = database_of(info)
        rows = await database.rows(PAGE, self.id, first + 1)
        shown, moment, now = rows[:first], database.moment, datetime.now(UTC)
        nodes = [token_of(row, moment, now) for row in shown]
        cursors = [cursor_of(row, moment) for row in shown]
        return TokenConnection(
            edges=[TokenEdge(node=node, cursor=cursor) for node, cursor in zip(nodes, cursors, strict=True)],
            nodes=nodes,
            page_info=PageInfo(
                has_next_page=len(rows) > first,
                has_previous_page=False,
                start_cursor=cursors[0] if cursors else None,
                end_cursor=cursors[-1] if cursors else None,
            ),
        )


def token_of(row: Any, moment: Callable[[Any], datetime | None], now: datetime) -> Token:
    """A row as GraphQL shows it."""
    created, grants = moment(row["created_at"]), json.loads(row["grants"])
    if created is None:
        raise ValueError("a token without a date")
    space_id = row["space_id"]
    return Token(
        id=row["id"],
        display_id=f"{row['created_by_name']}_{row['id']}",
        name=row["name"],
        description=row["description"] or None,
        kind=TokenKind(row["kind"]),
        environment=row["environment"],
        prefix=f"{row['prefix']}…",
        masked_token=row["prefix"][:10] + "•" * 8,
        role=None,
        grants=grants,
        scopes=sorted(grants),
        status=TokenStatus(status_of(moment, row, now)),
        created_at=created,
        created_by=Actor(
            kind=ActorKind(row["created_by_kind"]),
            actor_id=row["created_by_id"],
            name=row["created_by_name"],
            unproven=False,
        ),
        expires_at=moment(row["expires_at"]),
        grace_ends_at=moment(row["retires_at"]),
        disabled_at=moment(row["disabled_at"]),
        last_used_at=moment(row["last_used_at"]),
        last_used_ip=row["last_used_ip"],
        space=None if space_id is None else Space(id=space_id, name=row["space_name"]),
    )


@strawberry.type
class Me:
    """The caller."""

    kind: TokenKind
    scopes: list[str]


@strawberry.type
class Query:
    """Queries."""

    @strawberry.field
    async def me(self, info: Info) -> Me | None:
        """Who sent this."""
        row = await token_of_request(database_of(info), info.context["request"])
        return Me(kind=TokenKind(row["kind"]), scopes=sorted(json.loads(row["grants"])))

    @strawberry.field
    def workspace(self, id: strawberry.ID) -> Workspace | None:  # noqa: A002 - the product's name
        """A workspace."""
        return Workspace(id=id)


async def token_of_request(database: Database, request: Request) -> Any:
    """The row of the token that a request carries."""
    secret = request.headers["authorization"].removeprefix("Bearer ")
    (row,) = await database.rows(BY_DIGEST, hashlib.sha256(secret.encode()).digest())
    return row


async def healthz(_request: Request) -> JSONResponse:
    """What the shipped server answers."""
    return JSONResponse({"status": "ok"}, headers={"Cache-Control": "no-store"})


async def introspect(request: Request) -> JSONResponse:
    """A token's facts, from one read."""
    database: Database = request.app.state.database
    fields = dict(parse_qsl((await request.body()).decode()))
    rows = await database.rows(BY_DIGEST, hashlib.sha256(fields["token"].encode()).digest())
    return JSONResponse(introspected(database, rows[0]) if rows else {"active": False})


def introspected(database: Database, row: Any) -> dict[str, Any]:
    """A token as introspection tells of it."""
    expires_at = database.moment(row["expires_at"])
    facts = {
        "sub": row["id"],
        "token_type": "Bearer",
        "kind": row["kind"],
        "name": row["name"],
        "scope": " ".join(sorted(json.loads(row["grants"]))),
        "workspace_id": row["workspace_id"],
        "space_id": row["space_id"],
        "environment": row["environment"],
        "exp": None if expires_at is None else int(expires_at.timestamp()),
        "expires_at": None if expires_at is None else expires_at.isoformat(),
        "rate_limit": {"per_minute": 2_000_000_000, "burst": 1_000_000},
    }
    max_age = 0.0 if isinstance(database, OnSqlite) else 1.0
    return {name: value for name, value in facts.items() if value is not None} | {"active": True, "max_age": max_age}


async def self_(request: Request) -> JSONResponse:
    """The facts of the token that was sent."""
    database: Database = request.app.state.database
    row = await token_of_request(database, request)
    return JSONResponse(
        {
            "id": row["id"],
            "kind": row["kind"],
            "name": row["name"],
            "workspace_id": row["workspace_id"],
            "space_id": row["space_id"],
            "environment": row["environment"],
            "scopes": sorted(json.loads(row["grants"])),
            "expires_at": shortly(database.moment(row["expires_at"])),
            "external_id": row["external_id"],
            "metadata": {} if row["metadata"] is None else json.loads(row["metadata"]),
            "rate_limit": {"per_minute": 2_000_000_000, "burst": 1_000_000},
        }
    )


async def api_keys(request: Request) -> JSONResponse:
    """A page of tokens from one query."""
    database: Database = request.app.state.database
    size = int(request.query_params["limit"])
    rows = await database.rows(PAGE, request.query_params["workspace_id"], size + 1)
    shown, now = rows[:size], datetime.now(UTC)
    following = cursor_of(shown[-1], database.moment) if len(rows) > size else None
    return JSONResponse(
        {
            "api_keys": [key_of(row, database.moment, now) for row in shown],
            "has_more": following is not None,
            "next_cursor": following,
        }
    )


def key_of(row: Any, moment: Callable[[Any], datetime | None], now: datetime) -> dict[str, Any]:
    """A row as the REST API shows it."""
    grants = json.loads(row["grants"])
    return {
        "id": row["id"],
        "name": row["name"],
        "description": row["description"],
        "kind": row["kind"],
        "environment": row["environment"],
        "prefix": f"{row['prefix']}…",
        "permissions": grants,
        "scopes": sorted(grants),
        "role": None,
        "status": status_of(moment, row, now),
        "workspace_id": row["workspace_id"],
        "space_id": row["space_id"],
        "created_at": shortly(moment(row["created_at"])),
        "created_by": {
            "kind": row["created_by_kind"],
            "id": row["created_by_id"],
            "name": row["created_by_name"],
            "unproven": False,
        },
        "expires_at": shortly(moment(row["expires_at"])),
        "last_used_at": shortly(moment(row["last_used_at"])),
        "disabled_at": shortly(moment(row["disabled_at"])),
        "revoked_at": shortly(moment(row["revoked_at"])),
        "revoked_reason": row["revoked_reason"],
        "grace_ends_at": shortly(moment(row["retires_at"])),
        "rotated_from": row["rotated_from_id"],
        "rotated_to": row["rotated_to_id"],
        "external_id": row["external_id"],
        "metadata": {} if row["metadata"] is None else json.loads(row["metadata"]),
        "imported_from": row["imported_from"],
    }


async def create_by_graphql(request: Request) -> JSONResponse:
    """The answer of ``createToken``, without GraphQL: the rows in one transaction, behind Starlette."""
    given = (await request.json())["variables"]["input"]
    row, secret = await created(request, given["name"], given["grants"], given["ownerId"])
    token = {
        "id": row["id"],
        "displayId": f"{row['created_by_name']}_{row['id']}",
        "name": row["name"],
        "kind": "SPACE",
        "environment": "live",
        "prefix": f"{row['prefix']}…",
        "maskedToken": row["prefix"][:10] + "•" * 8,
        "grants": given["grants"],
        "scopes": sorted(given["grants"]),
        "status": "ACTIVE",
        "createdAt": exactly(row["created_at"]),
        "expiresAt": None,
    }
    answer = {
        "__typename": "CreateTokenSuccess",
        "token": token,
        "secret": secret,
        "effectiveAt": exactly(datetime.now(UTC)),
    }
    return JSONResponse({"data": {"createToken": answer}})


async def create_by_rest(request: Request) -> JSONResponse:
    """The answer of ``POST /api-keys``."""
    given = await request.json()
    row, secret = await created(request, given["name"], given["permissions"], given["space_id"])
    first = {
        "id": row["id"],
        "name": row["name"],
        "key": secret,
        "permissions": given["permissions"],
        "created_at": shortly(row["created_at"]),
    }
    unset = ("expires_at", "last_used_at", "disabled_at", "revoked_at", "revoked_reason", "retires_at")
    attached = ("external_id", "metadata", "imported_from")
    whole = dict.fromkeys((*unset, *attached, "rotated_from_id", "rotated_to_id")) | row
    answer = first | key_of(whole, lambda moment: moment, row["created_at"])
    answer["effective_at"] = shortly(row["created_at"])
    return JSONResponse(answer, 201, headers={"Location": f"/api/v1/api-keys/{row['id']}"})


async def created(request: Request, name: str, grants: list[str], space_id: str) -> tuple[dict[str, Any], str]:
    """Insert the rows of a new token in the app's workspace."""
    return await insert_token(request.app.state.database, request.app.state.workspace_id, name, grants, space_id)


async def insert_token(
    database: Database, workspace_id: str, name: str, grants: list[str], space_id: str
) -> tuple[dict[str, Any], str]:
    """Insert the rows of a new token and of its audit event, and move the audit chain's head, in one transaction."""
    now = datetime.now(UTC)
    secret = minted()
    row: dict[str, Any] = {
        "id": new_id("key", now),
        "digest": hashlib.sha256(secret.encode()).digest(),
        "prefix": secret[:12],
        "name": name,
        "description": "",
        "kind": "space",
        "environment": "live",
        "workspace_id": workspace_id,
        "space_id": space_id,
        "grants": json.dumps(grants),
        "created_at": now,
        "created_by_id": "key_00000000000000000000000000",
        "created_by_name": "creator",
        "created_by_kind": "token",
        "first_use_retires": False,
        "search_text": f"{name}\n\n{secret[:12]}".lower(),
    }
    facts = {"name": name, "kind": "space", "environment": "live", "space_id": space_id, "prefix": row["prefix"]}
    facts |= {"grants": grants, "description": "", "rotated_to_id": None, "revoked_reason": None}
    facts |= dict.fromkeys(("expires_at", "disabled_at", "revoked_at", "deleted_at", "retires_at"))
    facts |= {"external_id": None, "metadata": None}
    actor_salt, target_salt = secrets.token_bytes(16), secrets.token_bytes(16)
    named = {"name": "creator", "ip": "127.0.0.1", "user_agent": "bench"}
    event: dict[str, Any] = {
        "id": new_id("evt", now),
        "chain": workspace_id,
        "at": now,
        "action": "token.create",
        "outcome": "success",
        "actor_id": row["created_by_id"],
        "actor_name": "creator",
        "credential": "token",
        "target_id": row["id"],
        "ip": "127.0.0.1",
        "user_agent": "bench",
        "request_id": secrets.token_hex(12),
        "version": 2,
        "actor_kind": "token",
        "target_name": "",
        "actor_salt": actor_salt,
        "actor_digest": hashlib.sha256(actor_salt + canonical(named)).digest(),
        "actor_erased": False,
        "target_salt": target_salt,
        "target_digest": hashlib.sha256(target_salt + canonical({"name": "", "facts": None})).digest(),
        "target_erased": False,
    }
    locked = HEAD if isinstance(database, OnSqlite) else f"{HEAD} FOR UPDATE"
    async with database.transaction() as change:
        (head,) = await change.rows(locked, workspace_id)
        event["sequence"] = head["sequence"] + 1
        hashed = {key: value.hex() if isinstance(value, bytes) else value for key, value in event.items()}
        body = canonical(hashed | {"at": now.isoformat(), "after": facts})
        event["hash"] = hashlib.sha256(head["hash"] + body).digest()
        event["after"] = json.dumps(facts)
        await change.rows(INSERT_TOKEN, *(change.stored(row[name]) for name in TOKEN_COLUMNS))
        await change.rows(INSERT_EVENT, *(change.stored(event[name]) for name in EVENT_COLUMNS))
        await change.rows(MOVE, workspace_id, event["sequence"], event["hash"])
    return row, secret


def canonical(facts: dict[str, Any]) -> bytes:
    """JSON with sorted keys and no blanks."""
    return json.dumps(facts, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def minted() -> str:
    """A secret with a checksum."""
    head = "sp_live_" + "".join(BASE62[one % 62] for one in secrets.token_bytes(32))
    number, digits = zlib.crc32(head.encode()), ""
    for _ in range(6):
        number, digit = divmod(number, 62)
        digits = BASE62[digit] + digits
    return head + digits


def new_id(prefix: str, now: datetime) -> str:
    """A sortable id."""
    number = (int(now.timestamp() * 1000) << 80) | int.from_bytes(secrets.token_bytes(10))
    digits = ""
    for _ in range(26):
        number, digit = divmod(number, 32)
        digits = CROCKFORD[digit] + digits
    return f"{prefix}_{digits}"


def app() -> Starlette:
    """All twins, on the database that the environment names."""
    named, creating = os.environ[DATABASE], os.environ["BENCH_TWIN_WORKSPACE"]

    @asynccontextmanager
    async def lifespan(serving: Starlette) -> AsyncIterator[None]:
        database: Database
        if named.startswith("postgres"):
            pool = await asyncpg.create_pool(named, min_size=1, max_size=CONNECTIONS)
            database = OnPostgres(pool)
        else:
            database = OnSqlite(named)
        serving.state.database, serving.state.workspace_id = database, creating
        yield
        await database.aclose()

    moments: ScalarDefinition = strawberry.scalar(
        name="DateTime", serialize=exactly, parse_value=datetime.fromisoformat
    )
    schema = strawberry.Schema(
        Query,
        config=StrawberryConfig(scalar_map={datetime: moments}),
        extensions=[lambda: ParserCache(maxsize=100), lambda: ValidationCache(maxsize=100)],
    )
    routes = [
        Route("/healthz", healthz),
        Route("/graphql", GraphQL[dict[str, Any], None](schema)),
        Route("/api/v1/introspect", introspect, methods=["POST"]),
        Route("/api/v1/self", self_),
        Route("/api/v1/api-keys", api_keys, methods=["GET"]),
        Route("/api/v1/api-keys", create_by_rest, methods=["POST"]),
        Route("/create", create_by_graphql, methods=["POST"]),
    ]
    return Starlette(routes=routes, lifespan=lifespan)
