"""GraphQL, twisted: requests, messages on sockets, and Apollo Federation's own ways into a schema."""

# Strawberry's field(directives=…) gives Any, so as a decorator it counts as untyped.
# mypy: disable-error-code=untyped-decorator

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncGenerator
from typing import Any

import httpx
import pytest
import strawberry
from starlette.applications import Starlette
from starlette.routing import Route, WebSocketRoute
from strawberry import federation
from strawberry.extensions import ParserCache, ValidationCache

from spacekey.domain.principal import Principal
from spacekey.domain.rule import Rule
from spacekey.middleware.graphql import OnDenied, ScopedFederationSchema, ScopedGraphQL, ScopedSchema, ScopeEnforcement
from spacekey.middleware.graphql.analysis import Denial
from spacekey.models.engine.store import SQLITE
from spacekey.models.queries import workspaces as workspace_queries
from spacekey.models.tables.workspace import Workspace
from support.graphql.library import ask, holding, ran, refusals
from support.graphql.socket import Closed, GraphQLSocket, graphql_socket
from support.server import Served, bearer, served

# GraphQL over HTTP, twisted: whatever a request is made to look like, what runs is what was decided about.
#
# The caller holds a token that may ask who it is, and neither see its workspace's name nor make spaces.


JSON = "application/json"
MODERN = "application/graphql-response+json"
OPEN = "{ me { kind } }"
RULED = "{ workspaces { nodes { name } } }"
BOTH = "query A { me { kind } } query B { workspaces { nodes { name } } }"
NAME = "Hush Ltd"


def change(workspace: Workspace) -> str:
    """A mutation that the caller may not do."""
    return (
        f'mutation {{ createSpace(input: {{workspaceId: "{workspace.id}", name: "N", slug: "n"}}) {{ __typename }} }}'
    )


async def caller(app: Served) -> tuple[Workspace, dict[str, str]]:
    """A workspace nobody may read the name of, and the headers of a token of it."""
    workspace = await app.world.workspace("emit")
    async with app.world.system.store.changing() as session:
        row = await session.get_one(Workspace, workspace.id)
        row.name = NAME
    space = await app.world.space(workspace, "own")
    _, secret = await app.token(workspace.id, "jobs:read", space_id=space.id)
    return workspace, bearer(secret) | {"Accept": MODERN}


async def nothing_happened(app: Served, workspace: Workspace, answer: Any) -> None:
    """No name was told and no space made."""
    assert NAME not in answer.text
    async with app.world.system.store.reading() as session:
        assert await workspace_queries.space_by_slug(session, workspace.id, "n") is None


@pytest.mark.parametrize("database_kind", [SQLITE], indirect=True)
async def test_the_caller_may_ask_who_it_is_and_nothing_else(database_url: str) -> None:
    """The ground of all below: said plainly, one is answered and the other two are refused."""
    async with served(database_url) as app:
        workspace, headers = await caller(app)
        for query, status in ((OPEN, 200), (RULED, 403), (change(workspace), 403)):
            answer = await app.client.post("/graphql", headers=headers, json={"query": query})
            assert answer.status_code == status, answer.text
            await nothing_happened(app, workspace, answer)


@pytest.mark.parametrize("database_kind", [SQLITE], indirect=True)
async def test_a_query_or_mutation_by_get_or_another_method_runs_nothing(database_url: str) -> None:
    async with served(database_url) as app:
        workspace, headers = await caller(app)
        override = {"X-HTTP-Method-Override": "POST", "X-HTTP-Method": "POST", "Content-Type": JSON}
        for method in ("GET", "HEAD", "PUT", "PATCH", "DELETE", "OPTIONS", "QUERY"):
            for query in (OPEN, change(workspace)):
                answer = await app.client.request(
                    method, "/graphql", headers=headers | override, params={"query": query}, json={"query": query}
                )
                assert (answer.status_code, answer.headers["allow"]) == (405, "POST"), method
                await nothing_happened(app, workspace, answer)


@pytest.mark.parametrize("database_kind", [SQLITE], indirect=True)
async def test_what_stands_in_the_address_counts_for_nothing(database_url: str) -> None:
    async with served(database_url) as app:
        workspace, headers = await caller(app)
        for params in ({"query": RULED}, {"query": change(workspace)}, {"operationName": "B"}, {"variables": "{"}):
            answer = await app.client.post(
                "/graphql", headers=headers, params=params, json={"query": BOTH, "operationName": "A"}
            )
            assert answer.json()["data"] == {"me": {"kind": "SPACE"}}
            await nothing_happened(app, workspace, answer)


BATCHES: list[Any] = [
    [{"query": OPEN}, {"query": RULED}],
    [{"query": OPEN}],
    [[{"query": RULED}]],
    [],
    {"query": [OPEN, RULED]},
    {"query": {"query": RULED}},
    {"0": {"query": RULED}},
    {"operations": {"query": RULED}},
]


@pytest.mark.parametrize("database_kind", [SQLITE], indirect=True)
async def test_batches_of_every_shape_run_nothing(database_url: str) -> None:
    async with served(database_url) as app:
        workspace, headers = await caller(app)
        for body in BATCHES:
            answer = await app.client.post("/graphql", headers=headers, json=body)
            assert answer.status_code == 400, body
            assert set(answer.json()) == {"errors"}
            await nothing_happened(app, workspace, answer)


MAPS = ['{"0": ["query"]}', '{"0": ["variables.file"]}', '{"0": ["operationName"]}', '{"0": ["0.query"]}']


@pytest.mark.parametrize("database_kind", [SQLITE], indirect=True)
async def test_an_upload_whose_map_points_at_the_query_runs_nothing(database_url: str) -> None:
    async with served(database_url) as app:
        workspace, headers = await caller(app)
        for paths in MAPS:
            parts = {
                "operations": (None, json.dumps({"query": OPEN, "variables": {"file": None}})),
                "map": (None, paths),
                "0": ("q.graphql", RULED),
            }
            for extra in ({}, {"Apollo-Require-Preflight": "true", "X-Requested-With": "XMLHttpRequest"}):
                answer = await app.client.post("/graphql", headers=headers | extra, files=parts)
                assert answer.status_code == 415
                await nothing_happened(app, workspace, answer)


MEDIA = [
    "multipart/form-data; boundary=x",
    "application/json, multipart/form-data",
    "application/jsonp",
    "application/graphql+json",
    "text/plain",
    "application/json; charset=utf-16",
    "application/x-www-form-urlencoded",
]


@pytest.mark.parametrize("database_kind", [SQLITE], indirect=True)
async def test_a_body_of_another_media_type_is_not_read_as_json(database_url: str) -> None:
    async with served(database_url) as app:
        _, headers = await caller(app)
        for media in MEDIA:
            content = json.dumps({"query": OPEN}).encode()
            answer = await app.client.post("/graphql", headers=headers | {"Content-Type": media}, content=content)
            assert answer.status_code == 415, media


@pytest.mark.parametrize("database_kind", [SQLITE], indirect=True)
async def test_a_persisted_query_is_neither_kept_nor_found(database_url: str) -> None:
    async with served(database_url) as app:
        workspace, headers = await caller(app)
        hashed = {"persistedQuery": {"version": 1, "sha256Hash": "0" * 64}}
        known = await app.client.post("/graphql", headers=headers, json={"query": OPEN, "extensions": hashed})
        assert known.json()["data"] == {"me": {"kind": "SPACE"}}
        for body in (
            {"extensions": hashed},
            {"extensions": hashed, "id": "0" * 64},
            {"query": "", "extensions": hashed},
        ):
            answer = await app.client.post("/graphql", headers=headers, json=body)
            assert answer.status_code == 400, answer.text
            assert "data" not in answer.json()
        ruled = await app.client.post("/graphql", headers=headers, json={"query": RULED, "extensions": hashed})
        assert ruled.status_code == 403
        await nothing_happened(app, workspace, ruled)


TWICE = [
    '{"query": OPEN, "query": RULED}',
    '{"query": RULED, "query": OPEN}',
    '{"query": OPEN, "qu\\u0065ry": RULED}',
    '{"query": BOTH, "operationName": "A", "operationName": "B"}',
    '{"query": BOTH, "operationName": "A", "variables": {"x": 1, "x": 2}}',
    '{"query": BOTH, "operationName": "A", "extensions": {"x": [{"y": 1, "y": 1}]}}',
    '{"query": OPEN} {"query": RULED}',
    '{"query": OPEN}\x00',
    '\ufeff{"query": OPEN}',
    "{'query': OPEN}",
    '{"query": OPEN, "variables": {"x": NaN}}',
    '{"query": OPEN, "variables": {"x": "\\ud800"}}',
]


@pytest.mark.parametrize("database_kind", [SQLITE], indirect=True)
async def test_json_that_two_readers_would_read_differently_is_refused(database_url: str) -> None:
    async with served(database_url) as app:
        workspace, headers = await caller(app)
        for template in TWICE:
            body = template
            for name, query in (("OPEN", OPEN), ("RULED", RULED), ("BOTH", BOTH)):
                body = body.replace(name, json.dumps(query))
            answer = await app.client.post("/graphql", headers=headers | {"Content-Type": JSON}, content=body.encode())
            assert answer.status_code == 400, body
            assert set(answer.json()) == {"errors"}
            await nothing_happened(app, workspace, answer)


NAMES: list[tuple[object, int]] = [
    ("A", 200),
    ("B", 403),
    (None, 400),
    ("", 400),
    ("A ", 400),
    ("a", 400),
    ("\u0410", 400),  # a Cyrillic letter
    ("A\x00B", 400),
    ("B,A", 400),
    ("__proto__", 400),
    (["A"], 400),
    ({"A": "B"}, 400),
    (0, 400),
]


@pytest.mark.parametrize("database_kind", [SQLITE], indirect=True)
async def test_the_operation_that_is_named_is_the_one_that_is_decided_about(database_url: str) -> None:
    async with served(database_url) as app:
        workspace, headers = await caller(app)
        for name, status in NAMES:
            answer = await app.client.post("/graphql", headers=headers, json={"query": BOTH, "operationName": name})
            assert answer.status_code == status, answer.text
            assert ("data" in answer.json()) == (status == 200)
            await nothing_happened(app, workspace, answer)


DOCUMENTS = [
    ("\ufeff" + OPEN, 200),
    ("\ufeff" + RULED, 403),
    ("# { me { kind } }\n" + RULED, 403),
    ("{ me { kind } #\r workspaces { nodes { name } } }", 403),  # CR ends a comment
    ("{ me { kind } #\r\n workspaces { nodes { name } } }", 403),
    ("{ me { kind } #\u2028 workspaces { nodes { name } }\n }", 200),  # a line separator does not
    ("{ me { kind } #\x0b workspaces { nodes { name } }\n }", 200),
    ("{ me { kind } , , workspaces,{,nodes,{,name,}}, }", 403),
    ("{ me { kind } w: workspaces { n: nodes { __typename n: name } } }", 403),
    ("{ ... { ... on Query { workspaces { nodes { name } } } } }", 403),
    ("{ me: workspaces { kind: nodes { name } } }", 403),
    ("query A { me { kind } } query A { workspaces { nodes { name } } }", 400),
    ('"""{ me }""" query { workspaces { nodes { name } } }', 403),
    ("{ me { kind } } extend type Query { workspaces: Int }", 400),
    ("{ workspaces @skip(if: false) @include(if: true) { nodes { name } } }", 403),
    ("query($no: Boolean = true) { me { kind } workspaces @include(if: $no) { nodes { name } } }", 403),
    ("\x00" + OPEN, 400),
    ("{ me { kind } }\x00", 400),
]


@pytest.mark.parametrize("database_kind", [SQLITE], indirect=True)
async def test_a_disguised_document_is_decided_about_as_it_is_parsed(database_url: str) -> None:
    async with served(database_url) as app:
        workspace, headers = await caller(app)
        for document, status in DOCUMENTS:
            for _ in range(2):  # parsed, and from the parser's cache
                answer = await app.client.post("/graphql", headers=headers, json={"query": document})
                assert answer.status_code == status, (document, answer.text)
                await nothing_happened(app, workspace, answer)


USING = "query($first: Int) { me { kind } workspaces(first: $first) @skip(if: true) { nodes { id } } }"
DEEP = "[" * 30 + "]" * 30
VARIABLES = [
    (json.dumps({"x": "v" * 100_000}), 200),
    (json.dumps({f"v{number}": number for number in range(5_000)}), 200),
    (json.dumps({"x": "v" * 140_000}), 413),
    ('{"x": 1e400, "first": 1e400}', 400),
    ('{"first": ' + "9" * 4_000 + "}", 400),
    ('{"first": ' + "9" * 5_000 + "}", 400),
    ('{"first": 1.5}', 400),
    ('{"first": {"__proto__": {"a": 1}}}', 400),
    ('{"x": ' + DEEP + "}", 400),
    (json.dumps({"first": [1] * 20_000}), 400),
]


@pytest.mark.parametrize("database_kind", [SQLITE], indirect=True)
async def test_huge_and_odd_variables_are_bounded_and_never_a_fault(database_url: str) -> None:
    async with served(database_url) as app:
        _, headers = await caller(app)
        for variables, status in VARIABLES:
            query = USING if '"first"' in variables else OPEN
            body = f'{{"query": {json.dumps(query)}, "variables": {variables}}}'
            answer = await app.client.post("/graphql", headers=headers | {"Content-Type": JSON}, content=body.encode())
            assert answer.status_code == status, answer.text[:300]
            assert len(answer.content) < 20_000


# Whatever a client sends to a GraphQL app, and whenever: the protocol has an answer, and no traceback is logged.


SECONDS_MAX = 120.0


@strawberry.type
class Query:
    @strawberry.field
    def echo(self, text: str = "") -> str:
        return text


@strawberry.type
class Subscription:
    @strawberry.subscription
    async def ticks(self) -> AsyncGenerator[int, None]:
        for number in range(1_000_000):
            yield number
            await asyncio.sleep(0)

    @strawberry.subscription
    async def forever(self) -> AsyncGenerator[int, None]:
        yield 1
        await asyncio.Event().wait()


OPENED = ScopeEnforcement(public=["Query.echo", "Subscription.ticks", "Subscription.forever"])
APP = ScopedGraphQL(ScopedSchema(Query, subscription=Subscription, scopes=OPENED))
INIT = {"type": "connection_init"}
TICKS = {"type": "subscribe", "id": "1", "payload": {"query": "subscription { ticks }"}}
FOREVER = {"type": "subscribe", "id": "1", "payload": {"query": "subscription { forever }"}}


def subscribing(**payload: Any) -> dict[str, Any]:
    """A ``subscribe`` message with this payload."""
    return {"type": "subscribe", "id": "2", "payload": {"query": "{ echo }", **payload}}


def text(message: object) -> dict[str, Any]:
    """As a server hands it on."""
    return {"type": "websocket.receive", "text": message if isinstance(message, str) else json.dumps(message)}


WRONG: dict[str, Any] = {
    "no JSON": "{",
    "nothing": "",
    "deep JSON": "[" * 100_000,
    "a deep object": '{"type":' * 50_000,
    "a number of many digits": "1" * 5_000,
    "NaN": "NaN",
    "a list": [],
    "a string": '"connection_init"',
    "a number": 1,
    "null": "null",
    "true": "true",
    "no type": {},
    "a type that is a list": {"type": []},
    "a type that is an object": {"type": {}},
    "an unknown type": {"type": "start"},
    "a very long type": {"type": "ü" * 10_000},
    "a type that cannot be encoded": '{"type": "\\ud800"}',
    "no id": {"type": "subscribe", "payload": {"query": "{ echo }"}},
    "an empty id": {**subscribing(), "id": ""},
    "an id that is a list": {**subscribing(), "id": []},
    "an id that is a number": {**subscribing(), "id": 1},
    "no payload": {"type": "subscribe", "id": "2"},
    "a payload that is a list": {"type": "subscribe", "id": "2", "payload": []},
    "a payload that is a string": {"type": "subscribe", "id": "2", "payload": "query"},
    "no query": {"type": "subscribe", "id": "2", "payload": {}},
    "a query that is a number": subscribing(query=1),
    "a query that is null": subscribing(query=None),
    "a query that is a list": subscribing(query=["{ echo }"]),
    "variables that are a list": subscribing(variables=[1]),
    "variables that are a string": subscribing(variables="x"),
    "a name that is a number": subscribing(operationName=1),
    "a name that is a list": subscribing(operationName=[]),
    "an end without an id": {"type": "complete"},
    "an end of a list": {"type": "complete", "id": []},
    "bytes": {"type": "websocket.receive", "bytes": b"{}"},
    "bytes as hypercorn has them": {"type": "websocket.receive", "bytes": b"{}", "text": None},
    "a second connection_init": INIT,
    "a syntax error": subscribing(query="{" + "ü" * 5_000),
    "a deep query": subscribing(query="{ echo " + "{ echo " * 5_000),
    "a duplicate id": FOREVER,
    "a duplicate id, while it talks": TICKS,
    "a very long duplicate id": {**FOREVER, "id": "ü" * 1_000},
    "an unknown operation": subscribing(operationName="other"),
}
ANSWERED: dict[str, Any] = {
    "an end of nothing": {"type": "complete", "id": "nothing"},
    "an empty query": subscribing(query=""),
    "variables that are missing": subscribing(query="query q($t: String!) { echo(text: $t) }"),
    "variables of another shape": subscribing(query="query q($t: String!) { echo(text: $t) }", variables={"t": []}),
    "a half of a pair": subscribing(query="query q($t: String!) { echo(text: $t) }", variables={"t": "\ud800"}),
    "an id of half of a pair": {**subscribing(), "id": "\ud800"},
    "a pong": {"type": "pong", "payload": []},
    "a ping": {"type": "ping", "payload": [1]},
}


async def until_closed(socket: GraphQLSocket) -> None:
    """Read on until the socket is closed."""
    async with asyncio.timeout(SECONDS_MAX):
        while True:
            await socket.receive()


def check_quiet(caplog: pytest.LogCaptureFixture) -> None:
    """Nothing was logged that a client can have logged as often as it likes."""
    assert not [record for record in caplog.records if record.exc_info], caplog.text
    assert "Traceback" not in caplog.text


@pytest.mark.parametrize("wrong", WRONG)
async def test_a_wrong_message_closes_the_socket_without_a_traceback(
    wrong: str, caplog: pytest.LogCaptureFixture
) -> None:
    message = WRONG[wrong]
    raw = message if isinstance(message, dict) and message.get("type") == "websocket.receive" else text(message)
    with caplog.at_level(logging.DEBUG):
        async with graphql_socket(APP) as socket:
            await socket.init()
            for key, query in (("1", "ticks"), ("ü" * 1_000, "forever")):
                await socket.subscribe(key, f"subscription {{ {query} }}")
            assert (await socket.receive())["type"] == "next"
            await socket._to_app.put(raw)
            with pytest.raises(Closed) as closed:
                await until_closed(socket)
    codes = {"a second connection_init": 4429}
    assert closed.value.code == codes.get(wrong, 4409 if "duplicate" in wrong else 4400)
    assert len(closed.value.reason.encode()) <= 123
    check_quiet(caplog)


@pytest.mark.parametrize("message", [*WRONG.values(), *ANSWERED.values()], ids=[*WRONG, *ANSWERED])
async def test_any_message_as_the_first_is_answered(message: Any, caplog: pytest.LogCaptureFixture) -> None:
    raw = message if isinstance(message, dict) and message.get("type") == "websocket.receive" else text(message)
    async with graphql_socket(APP) as socket:
        await socket._to_app.put(raw)
    check_quiet(caplog)


@pytest.mark.parametrize("message", ANSWERED.values(), ids=ANSWERED)
async def test_a_message_that_only_asks_wrongly_leaves_the_socket_open(
    message: Any, caplog: pytest.LogCaptureFixture
) -> None:
    async with graphql_socket(APP) as socket:
        await socket.init()
        await socket._to_app.put(text(message))
        await socket.subscribe("after", "{ echo }")
        while (await socket.receive()).get("id") != "after":
            pass
    check_quiet(caplog)


@pytest.mark.parametrize("fails_after", [1, 2, 3, 10])
async def test_a_client_that_goes_while_it_is_told_something_is_no_fault(
    fails_after: int, caplog: pytest.LogCaptureFixture
) -> None:
    incoming: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
    for message in ({"type": "websocket.connect"}, text(INIT), text(TICKS)):
        incoming.put_nowait(message)
    sent = 0

    async def send(_: Any) -> None:
        nonlocal sent
        sent += 1
        if sent > fails_after:
            incoming.put_nowait({"type": "websocket.disconnect", "code": 1006})
            raise OSError("gone")  # as servers say it

    scope = {"type": "websocket", "path": "/", "headers": [], "subprotocols": ["graphql-transport-ws"]}
    async with asyncio.timeout(SECONDS_MAX):
        await APP({**scope, "query_string": b""}, incoming.get, send)
    check_quiet(caplog)


BODIES: dict[str, bytes] = {
    "no JSON": b"{",
    "not UTF-8": b'{"query": "\xff"}',
    "deep JSON": b"[" * 100_000,
    "a number of many digits": b"1" * 5_000,
    "nothing": b"",
    "a list": b"[]",
    "a list of a number": b"[1]",
    "a string": b'"x"',
    "a number": b"1",
    "null": b"null",
    "a query that is a number": b'{"query": 1}',
    "a query that is a list": b'{"query": []}',
    "variables that are a list": b'{"query": "{ echo }", "variables": [1]}',
    "a name that is a number": b'{"query": "{ echo }", "operationName": 1}',
    "a name that is a list": b'{"query": "{ echo }", "operationName": []}',
    "extensions that are a list": b'{"query": "{ echo }", "extensions": []}',
}


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
async def test_a_wrong_body_is_the_clients_fault(body: bytes, caplog: pytest.LogCaptureFixture) -> None:
    app = Starlette(routes=[Route("/", APP), WebSocketRoute("/", APP)])
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://app") as client:
        answer = await client.post("/", content=body, headers={"content-type": "application/json"})
    assert 400 <= answer.status_code < 500
    check_quiet(caplog)


# Apollo Federation's own ways into a schema: ``_entities``, where the caller names the types, and ``_service``.


Info = strawberry.Info[Any, Any]
WAYS = ["execute", "execute_sync", "stream"]
DENIED = "INSUFFICIENT_SCOPE"


@strawberry.interface
class Named:
    name: str


@federation.interface(requires_scopes=[["vaults:read"]])
class Kept(Named):
    pass


@federation.type(keys=["id"])
class Book(Named):
    """Open, with one ruled field."""

    id: strawberry.ID

    @federation.field(requires_scopes=[["prices:read"]])
    def price(self, info: Info) -> int | None:
        ran(info, "price")
        return 7

    @classmethod
    def resolve_reference(cls, info: Info, id: strawberry.ID) -> Book:  # noqa: A002 - the key's name
        ran(info, "Book")
        return Book(id=id, name="B")


@federation.type(keys=["id"], requires_scopes=[["people:read"]])
class Person(Named):
    """Ruled as a type."""

    id: strawberry.ID

    @classmethod
    def resolve_reference(cls, info: Info, id: strawberry.ID) -> Person:  # noqa: A002 - the key's name
        ran(info, "Person")
        return Person(id=id, name="P")


@federation.type(keys=["id"])
class Vault(Kept):
    """Ruled by its interface."""

    id: strawberry.ID

    @classmethod
    def resolve_reference(cls, info: Info, id: strawberry.ID) -> Vault:  # noqa: A002 - the key's name
        ran(info, "Vault")
        return Vault(id=id, name="V")


@federation.type(keys=["id"], authenticated=True)
class Stub:
    """Without a resolver: Strawberry makes a value of what the caller sent."""

    id: strawberry.ID


@federation.type(name="Query")
class Supergraph:
    books: list[Book] | None = None


def schema_of(mode: OnDenied, report: Any = None) -> ScopedFederationSchema:
    return ScopedFederationSchema(
        Supergraph,
        types=[Book, Person, Vault, Stub],
        extensions=[lambda: ParserCache(10), lambda: ValidationCache(10)],
        scopes=ScopeEnforcement(
            fail_on_undeclared=False, on_denied=mode, principal=lambda context: context["caller"], report=report
        ),
    )


def of(*names: str) -> dict[str, Any]:
    return {"all": [{"__typename": name, "id": str(number)} for number, name in enumerate(names)]}


ENTITIES = "query($all: [_Any!]!) { _entities(representations: $all) { %s } }"
SELECTING_ANOTHER_TYPE = [
    "... on Book { id }",
    "... { ... on Book { id } }",
    "... on Named { ... on Book { name } }",
    "...Books",
    "... on Person @include(if: false) { id } ... on Book { id }",
    "... on Stub @skip(if: true) { id }  ... on Book @include(if: false) { id }",
]


@pytest.mark.parametrize("how", WAYS)
@pytest.mark.parametrize("mode", ["reject", "null"])
@pytest.mark.parametrize("selection", SELECTING_ANOTHER_TYPE)
async def test_a_ruled_types_reference_is_not_resolved_for_whoever_selects_another_type(
    how: str, mode: OnDenied, selection: str
) -> None:
    context = holding()
    document = ENTITIES % selection + (" fragment Books on Book { id }" if "...Books" in selection else "")
    result = await ask(how, schema_of(mode), document, context, variable_values=of("Person", "Book", "Vault", "Person"))
    assert context["ran"] == ["Book"]
    assert result.data is not None
    assert [one is None for one in result.data["_entities"]] == [True, False, True, True]
    assert refusals(result) == [
        ("Person.__typename", ("_entities", 0), DENIED),
        ("Vault.__typename", ("_entities", 2), DENIED),
        ("Person.__typename", ("_entities", 3), DENIED),
    ]
    assert [(error.extensions or {})["missingScopes"] for error in result.errors or []] == [
        ["people:read"],
        ["vaults:read"],
        ["people:read"],
    ]


@pytest.mark.parametrize("how", WAYS)
async def test_with_the_types_scope_everything_is_resolved_and_stays_where_it_was(how: str) -> None:
    context = holding("people:read", "vaults:read")
    names = "... on Book { name } ... on Person { name } ... on Vault { name } ... on Stub { id }"
    everything = of("Person", "Book", "Stub", "Vault")
    result = await ask(how, schema_of("reject"), ENTITIES % names, context, variable_values=everything)
    assert result.errors is None
    assert result.data == {"_entities": [{"name": "P"}, {"name": "B"}, {"id": "2"}, {"name": "V"}]}
    assert context["ran"] == ["Person", "Book", "Vault"]


@pytest.mark.parametrize("mode", ["reject", "null"])
async def test_selecting_a_ruled_types_fields_is_decided_before_anything_runs(mode: OnDenied) -> None:
    context = holding()
    document = ENTITIES % "... on Person { name } ... on Book { name price }"
    result = await ask("execute", schema_of(mode), document, context, variable_values=of("Person", "Book"))
    if mode == "reject":
        assert (result.data, context["ran"]) == (None, [])
    else:
        assert result.data == {"_entities": [None, {"name": "B", "price": None}]}
        assert context["ran"] == ["Book"]
    assert {coordinate for coordinate, _, _ in refusals(result)} >= {"Book.price"}


async def test_the_name_of_a_ruled_type_is_not_told_and_a_value_is_not_made_of_what_the_caller_sent() -> None:
    nobody: dict[str, Any] = {"caller": None, "ran": []}
    result = await ask(
        "execute", schema_of("null"), ENTITIES % "__typename", nobody, variable_values=of("Stub", "Book", "Person")
    )
    assert result.data == {"_entities": [None, {"__typename": "Book"}, None]}
    assert {code for _, _, code in refusals(result)} == {"UNAUTHENTICATED"}
    assert nobody["ran"] == ["Book"]


async def test_representations_in_the_document_and_under_two_aliases_are_held_as_well() -> None:
    context = holding()
    document = """{
        a: _entities(representations: [{__typename: "Person", id: 1}]) { ... on Book { id } }
        b: _entities(representations: [{__typename: "Book", id: 1}, {__typename: "Person", id: 2}])
            { ... on Book { id } }
    }"""
    result = await ask("execute", schema_of("reject"), document, context)
    assert result.data == {"a": [None], "b": [{"id": "1"}, None]}
    assert context["ran"] == ["Book"]
    assert refusals(result) == [("Person.__typename", ("a", 0), DENIED), ("Person.__typename", ("b", 1), DENIED)]


NONSENSE = [{"__typename": "Nothing"}, {"id": "1"}, {"__typename": ["Person"]}, {"__typename": "Query"}, "Person", 7]


@pytest.mark.parametrize("representation", NONSENSE, ids=str)
async def test_what_is_no_representation_resolves_nothing_and_takes_nobody_in(representation: object) -> None:
    context = holding()
    both = {"all": [representation, {"__typename": "Person", "id": "1"}]}
    result = await ask("execute", schema_of("null"), ENTITIES % "... on Book { id }", context, variable_values=both)
    assert result.errors
    assert context["ran"] == []
    assert result.data in (None, {"_entities": [None, None]})


async def test_verdicts_of_one_caller_are_not_the_next_ones() -> None:
    schema = schema_of("reject")
    document = ENTITIES % "... on Book { id }"
    for scopes, runs in ((("people:read",), ["Person"]), ((), []), (("people:read",), ["Person"])):
        context = holding(*scopes)
        await ask("execute", schema, document, context, variable_values=of("Person"))
        assert context["ran"] == runs


async def test_a_dry_run_resolves_and_reports() -> None:
    told: list[tuple[str, str, Rule, object]] = []

    def report(denials: list[Denial], caller: Principal | None) -> None:
        told.extend((one.coordinate, ".".join(one.path), one.rule, caller) for one in denials)

    context = holding()
    result = await ask(
        "execute",
        schema_of("log", report),
        ENTITIES % "... on Book { id }",
        context,
        variable_values=of("Person", "Person"),
    )
    assert result.errors is None
    assert context["ran"] == ["Person", "Person"]
    assert [one[:2] for one in told] == [("Person.__typename", "_entities")]


async def test_the_service_document_is_open_and_names_the_rules_only() -> None:
    result = await ask("execute", schema_of("reject"), "{ _service { sdl } }", {"caller": None, "ran": []})
    assert result.data is not None
    assert '@requiresScopes(scopes: [["people:read"]])' in result.data["_service"]["sdl"]
    ruled = ENTITIES.replace("{ _entities", "{ _service { sdl } _entities") % "... on Person { id }"
    refused = await ask(
        "execute", schema_of("reject"), ruled, {"caller": None, "ran": []}, variable_values=of("Person")
    )
    assert refused.data is None
