"""GraphQL over HTTP, twisted: whatever a request is made to look like, what runs is what was decided about.

The caller holds a token that may ask who it is, and neither see its workspace's name nor make spaces.
"""

from __future__ import annotations

import json
from typing import Any

import pytest

from spacekey.models.engine.store import SQLITE
from spacekey.models.queries import workspaces as workspace_queries
from spacekey.models.tables.workspace import Workspace
from support.server import Served, bearer, served

pytestmark = pytest.mark.parametrize("database_kind", [SQLITE], indirect=True)

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


async def test_the_caller_may_ask_who_it_is_and_nothing_else(database_url: str) -> None:
    """The ground of all below: said plainly, one is answered and the other two are refused."""
    async with served(database_url) as app:
        workspace, headers = await caller(app)
        for query, status in ((OPEN, 200), (RULED, 403), (change(workspace), 403)):
            answer = await app.client.post("/graphql", headers=headers, json={"query": query})
            assert answer.status_code == status, answer.text
            await nothing_happened(app, workspace, answer)


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


async def test_batches_of_every_shape_run_nothing(database_url: str) -> None:
    async with served(database_url) as app:
        workspace, headers = await caller(app)
        for body in BATCHES:
            answer = await app.client.post("/graphql", headers=headers, json=body)
            assert answer.status_code == 400, body
            assert set(answer.json()) == {"errors"}
            await nothing_happened(app, workspace, answer)


MAPS = ['{"0": ["query"]}', '{"0": ["variables.file"]}', '{"0": ["operationName"]}', '{"0": ["0.query"]}']


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


async def test_a_body_of_another_media_type_is_not_read_as_json(database_url: str) -> None:
    async with served(database_url) as app:
        _, headers = await caller(app)
        for media in MEDIA:
            content = json.dumps({"query": OPEN}).encode()
            answer = await app.client.post("/graphql", headers=headers | {"Content-Type": media}, content=content)
            assert answer.status_code == 415, media


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


async def test_huge_and_odd_variables_are_bounded_and_never_a_fault(database_url: str) -> None:
    async with served(database_url) as app:
        _, headers = await caller(app)
        for variables, status in VARIABLES:
            query = USING if '"first"' in variables else OPEN
            body = f'{{"query": {json.dumps(query)}, "variables": {variables}}}'
            answer = await app.client.post("/graphql", headers=headers | {"Content-Type": JSON}, content=body.encode())
            assert answer.status_code == status, answer.text[:300]
            assert len(answer.content) < 20_000
