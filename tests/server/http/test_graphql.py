"""GraphQL over HTTP: what is read, in which media type and with which status it is answered, and the cookie."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
from graphql import get_introspection_query

from spacekey import MemoryLimiter
from spacekey.domain.errors import ConfigurationError
from spacekey.domain.principal import Limit
from spacekey.models.engine.store import SQLITE
from spacekey.server.app import build_app
from spacekey.server.http.session_cookie import COOKIE
from spacekey.server.limits import CallerBudget
from spacekey.server.settings import COST_PER_MINUTE_MIN, Settings
from support.server import ORIGIN, Served, bearer, served
from support.world import PASSWORD

JSON = "application/json"
MODERN = "application/graphql-response+json"
only_sqlite = pytest.mark.parametrize("database_kind", [SQLITE], indirect=True)

TYPENAME = {"query": "{ __typename }"}
WRONG_FIELD = {"query": "{ nothing }"}

ACCEPTED: list[tuple[str | None, str]] = [
    (None, JSON),
    ("*/*", JSON),
    ("application/*", JSON),
    (JSON, JSON),
    (MODERN, MODERN),
    (f"{MODERN}, {JSON};q=0.9", MODERN),
    (f"{JSON}, {MODERN};q=0.9", JSON),
    (f"{JSON};q=0.5, {MODERN};q=0.9", MODERN),
    (f"{MODERN};q=0, */*", JSON),
    (f"text/html, {MODERN};q=0.1", MODERN),
    (f"{MODERN};q=nonsense, {JSON}", JSON),
]


@only_sqlite
async def test_the_accept_header_chooses_the_media_type(database_url: str) -> None:
    async with served(database_url) as server:
        for accept, media in ACCEPTED:
            server.client.headers.pop("accept", None)
            answer = await server.client.post("/graphql", json=TYPENAME, headers={"Accept": accept} if accept else {})
            assert answer.status_code == 200
            assert answer.headers["content-type"] == f"{media}; charset=utf-8", accept
            assert "Accept" in answer.headers["vary"]
            assert answer.json()["data"] == {"__typename": "Query"}
        for accept in ("text/html", f"{JSON};q=0", "application/xml"):
            answer = await server.client.post("/graphql", json=TYPENAME, headers={"Accept": accept})
            assert answer.status_code == 406


STATUSES: list[tuple[str, Any, int]] = [
    (JSON, WRONG_FIELD, 200),
    (MODERN, WRONG_FIELD, 400),
    (JSON, {"query": "{"}, 200),
    (MODERN, {"query": "{"}, 400),
    (MODERN, {"query": ""}, 400),
    (JSON, {"query": "query A { __typename } query B { __typename }"}, 200),
    (MODERN, {"query": "query A { __typename } query B { __typename }"}, 400),
    (MODERN, {"query": "query A { __typename }", "operationName": "B"}, 400),
    (MODERN, {"query": "subscription { x }"}, 400),
    (MODERN, {"query": "query($n: Int!) { me @skip(if: false) { __typename } __typename @include(if: $n) }"}, 400),
    (MODERN, {"query": "query($id: Boolean!) { __typename @skip(if: $id) }", "variables": {"id": None}}, 400),
    (MODERN, {"query": "{ workspaces(first: 1) { edges { node { id } } } }"}, 401),
    (JSON, {"query": "{ workspaces(first: 1) { edges { node { id } } } }"}, 200),
    (JSON, [TYPENAME], 400),
    (MODERN, {"query": 1}, 400),
    (JSON, {"query": "{ __typename }", "variables": []}, 400),
    (JSON, {"query": "{ __typename }", "operationName": 1}, 400),
    (JSON, {"query": "{ __typename }", "extensions": 1}, 400),
]


@only_sqlite
async def test_statuses_follow_the_specification_for_each_media_type(database_url: str) -> None:
    async with served(database_url) as server:
        for accept, body, status in STATUSES:
            answer = await server.client.post("/graphql", json=body, headers={"Accept": accept})
            assert answer.status_code == status, (accept, body, answer.text)
            document = answer.json()
            assert document["errors"]
            assert all(error["extensions"]["code"] for error in document["errors"]), "each error has a code"
            assert "data" not in document


@only_sqlite
async def test_a_missing_scope_is_403_with_the_challenge(database_url: str) -> None:
    async with served(database_url) as server:
        workspace = await server.world.workspace("spooled")
        _, secret = await server.token(workspace.id, "jobs:read")
        body = {"query": "query($id: ID!) { workspace(id: $id) { tokens(first: 1) { edges { node { id } } } } }"}
        answer = await server.client.post(
            "/graphql",
            json=body | {"variables": {"id": workspace.id}},
            headers=bearer(secret) | {"Accept": MODERN},
        )
        assert answer.status_code == 403, answer.text
        assert 'error="insufficient_scope"' in answer.headers["www-authenticate"]
        assert {error["extensions"]["code"] for error in answer.json()["errors"]} == {"INSUFFICIENT_SCOPE"}


@only_sqlite
async def test_queries_by_get_forms_and_other_media_are_not_taken(database_url: str) -> None:
    async with served(database_url) as server:
        get = await server.client.get("/graphql?query={__typename}")
        assert (get.status_code, get.headers["allow"]) == (405, "POST")
        for media in (
            "application/x-www-form-urlencoded",
            "multipart/form-data; boundary=x",
            "application/graphql",
            "",
        ):
            content = json.dumps(TYPENAME).encode()
            answer = await server.client.post("/graphql", content=content, headers={"Content-Type": media})
            assert answer.status_code == 415, media
        large = json.dumps({"query": "#" * 200_000}).encode()
        answer = await server.client.post("/graphql", content=large, headers={"Content-Type": JSON})
        assert answer.status_code == 413


MULTIPART = "multipart/mixed"
OVER_MULTIPART = [  # what Apollo, urql and Relay send for a subscription, and the protocols of their own
    f'{MULTIPART};boundary="graphql";subscriptionSpec=1.0,{MODERN},{JSON};q=0.9',
    f"{MULTIPART};subscriptionSpec=1.0, {JSON}",
    f"{MODERN}, {JSON}, text/event-stream, {MULTIPART}",
    f"{MULTIPART}; deferSpec=20220824, {JSON}",
]


@only_sqlite
@pytest.mark.parametrize("signed_in", [False, True])
async def test_a_subscription_over_multipart_is_refused_at_once_and_opens_no_stream(
    signed_in: bool, database_url: str
) -> None:
    async with served(database_url) as server:
        workspace = await server.world.workspace("spooled")
        _, secret = await server.token(workspace.id, "jobs:read")
        who = bearer(secret) if signed_in else {}
        for accept in OVER_MULTIPART:
            for document in ("subscription { ticks }", "subscription S { ticks } query Q { __typename }"):
                body = {"query": document, "operationName": "S" if " S " in document else None}
                answer = await server.client.post("/graphql", json=body, headers=who | {"Accept": accept})
                assert answer.headers["content-type"].split(";")[0] == (MODERN if MODERN in accept else JSON)
                assert answer.status_code == (400 if MODERN in accept else 200)
                (error,) = answer.json()["errors"]
                assert error["message"] == "There are no subscriptions here; send a query or a mutation."
                assert "data" not in answer.json()
            query = await server.client.post("/graphql", json=TYPENAME, headers=who | {"Accept": accept})
            assert query.json()["data"] == {"__typename": "Query"}
        for accept in (f"{MULTIPART};subscriptionSpec=1.0", "text/event-stream"):
            answer = await server.client.post("/graphql", json=TYPENAME, headers=who | {"Accept": accept})
            assert answer.status_code == 406
            assert MODERN in answer.json()["errors"][0]["message"]


@only_sqlite
async def test_a_subscription_over_a_websocket_is_refused_in_the_handshake(database_url: str) -> None:
    async with served(database_url) as server:
        messages: list[dict[str, Any]] = []
        incoming = [{"type": "websocket.connect"}, {"type": "websocket.disconnect", "code": 1006}]
        scope = {
            "type": "websocket",
            "path": "/graphql",
            "raw_path": b"/graphql",
            "root_path": "",
            "scheme": "ws",
            "query_string": b"",
            "headers": [(b"host", b"testserver")],
            "subprotocols": ["graphql-transport-ws"],
            "client": ("127.0.0.1", 1),
            "server": ("testserver", 80),
        }

        async def receive() -> Any:
            return incoming.pop(0)

        async def send(message: Any) -> None:
            messages.append(message)

        await server.app(scope, receive, send)
        assert [message["type"] for message in messages] == ["websocket.close"]


@only_sqlite
async def test_a_refused_token_is_refused_before_graphql(database_url: str) -> None:
    async with served(database_url) as server:
        answer = await server.client.post("/graphql", json=TYPENAME, headers=bearer("sp_live_" + "0" * 38))
        assert (answer.status_code, answer.json()["code"]) == (401, "invalid_token")


SIGN_IN = "mutation($input: SignInInput!) { signIn(input: $input) { __typename } }"
SIGN_OUT = "mutation { signOut { __typename } }"
ME = "{ me { __typename } }"


async def test_signing_in_sets_the_cookie_and_signing_out_takes_it(database_url: str) -> None:
    async with served(database_url) as server:
        await server.world.user("ann@example.com")

        async def ask(query: str, cookie: str | None = None, **variables: Any) -> Any:
            headers = {"Sec-Fetch-Site": "same-origin"} | ({"Cookie": cookie} if cookie else {})
            return await server.client.post("/graphql", json={"query": query, "variables": variables}, headers=headers)

        wrong = await ask(SIGN_IN, input={"email": "ann@example.com", "password": "wrong" * 4})
        assert "set-cookie" not in wrong.headers
        opened = await ask(SIGN_IN, input={"email": "ann@example.com", "password": PASSWORD})
        server.client.cookies.clear()
        pair, *attributes = opened.headers["set-cookie"].split("; ")
        assert pair.startswith(f"{COOKIE}=")
        assert set(attributes) == {"Max-Age=1209600", "Path=/", "Secure", "HttpOnly", "SameSite=Strict"}
        assert pair.partition("=")[2] not in opened.text
        assert (await ask(ME, pair)).json()["data"]["me"] is not None
        closed = await ask(SIGN_OUT, pair)
        assert closed.headers["set-cookie"].startswith(f"{COOKIE}=; Max-Age=0;")
        assert (await ask(ME, pair)).json()["data"]["me"] is None


@only_sqlite
async def test_a_stale_cookie_does_not_keep_anybody_from_signing_in(database_url: str) -> None:
    async with served(database_url) as server:
        await server.world.user("ann@example.com")
        for value in ("q" * 43, "", "nonsense", "q" * 43 + f"; {COOKIE}=" + "r" * 43):
            headers = {"Cookie": f"{COOKIE}={value}", "Sec-Fetch-Site": "same-origin"}
            variables = {"input": {"email": "ann@example.com", "password": PASSWORD}}
            answer = await server.client.post(
                "/graphql", json={"query": SIGN_IN, "variables": variables}, headers=headers
            )
            assert "set-cookie" in answer.headers, value
            server.client.cookies.clear()


@only_sqlite
async def test_a_token_opens_no_session(database_url: str) -> None:
    async with served(database_url) as server:
        workspace = await server.world.workspace("spooled")
        _, secret = await server.token(workspace.id, "jobs:read")
        for password in (secret, f" {secret} "):
            variables = {"input": {"email": "ann@example.com", "password": password}}
            answer = await server.client.post("/graphql", json={"query": SIGN_IN, "variables": variables})
            assert "set-cookie" not in answer.headers
        cookie = {"Cookie": f"{COOKIE}={secret}"}
        assert (await server.client.get("/api/v1/self", headers=cookie)).status_code == 401


# GraphiQL is nowhere unless it was asked for, and then pinned, under a policy of its own that reaches no further.


def client(tmp_path: Path, *, graphiql: bool) -> httpx.AsyncClient:
    app = build_app(Settings(database_url=f"sqlite:///{tmp_path}/x.db", graphiql=graphiql))
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://testserver")


def policy_of(answer: httpx.Response) -> dict[str, list[str]]:
    """The policy's sources by directive."""
    parts = [part.split() for part in answer.headers["content-security-policy"].split("; ")]
    return {name: sources for name, *sources in parts}


async def test_it_is_off_unless_asked_for(tmp_path: Path) -> None:
    assert not Settings().graphiql
    async with client(tmp_path, graphiql=False) as asking:
        assert (await asking.get("/graphiql")).status_code == 404
        assert "graphiql" not in (await asking.get("/")).text


async def test_the_dashboard_links_to_it_and_stays_as_strict(tmp_path: Path) -> None:
    async with client(tmp_path, graphiql=False) as asking:
        without = await asking.get("/")
    async with client(tmp_path, graphiql=True) as asking:
        page = await asking.get("/")
    assert '<meta name="graphiql" content="enabled">' in page.text
    assert policy_of(page) == policy_of(without)


async def test_what_it_loads_is_pinned_and_nothing_else_is_allowed(tmp_path: Path) -> None:
    async with client(tmp_path, graphiql=True) as asking:
        page = await asking.get("/graphiql")
    assert page.status_code == 200
    policy = policy_of(page)
    loaded = re.findall(r'<script crossorigin src="([^"]+)" integrity="sha384-[\w+/]{64}"></script>', page.text)
    (inline,) = re.findall(r"<script>(.*?)</script>", page.text, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(inline.encode()).digest()).decode()
    assert policy["script-src"] == [f"'sha256-{digest}'", *loaded]
    assert page.text.count("<script") == len(loaded) + 1
    assert all(re.fullmatch(r"https://unpkg\.com/[\w-]+@\d+\.\d+\.\d+/[\w./-]+\.js", one) for one in loaded)
    assert policy["connect-src"] == ["'self'"]
    for name in ("default-src", "base-uri", "form-action", "frame-ancestors"):
        assert policy[name] == ["'none'"]


# Every caller of GraphQL has a budget of cost in time: a token, a member, an anonymous caller's network.


DEAR = get_introspection_query()
"""Costs more than half of the smallest budget, and so half of it: a second one does not fit beside its own text."""
CHEAP = "{ me { kind } }"


@asynccontextmanager
async def small(database_url: str) -> AsyncIterator[Served]:
    """A server with the smallest budgets, whose accounts stand still: no budget fills up again meanwhile."""
    chosen = Settings(
        database_url=database_url,
        graphql_cost_per_minute=COST_PER_MINUTE_MIN,
        anonymous_cost_per_minute=COST_PER_MINUTE_MIN,
    )
    async with served(database_url, settings=chosen) as one:
        one.app.state.parts = replace(one.parts, budgets=MemoryLimiter(clock=lambda: 1_000.0))
        yield one


async def ask(
    client: httpx.AsyncClient, query: str, headers: dict[str, str] | None = None, accept: str = "application/json"
) -> httpx.Response:
    return await client.post("/graphql", json={"query": query}, headers={"Accept": accept, **(headers or {})})


def from_address(one: Served, address: str) -> httpx.AsyncClient:
    """A client whose connections come from this address."""
    transport = httpx.ASGITransport(one.app, raise_app_exceptions=False, client=(address, 1234))
    return httpx.AsyncClient(transport=transport, base_url=ORIGIN)


def is_rate_limited(answer: httpx.Response) -> bool:
    """Whether it is a refusal for the budget, which must then be a whole one."""
    if answer.status_code != 429:
        return False
    [error] = answer.json()["errors"]
    assert "data" not in answer.json()
    assert error["extensions"]["code"] == "RATE_LIMITED"
    assert answer.headers["retry-after"] == str(error["extensions"]["retryAfterSeconds"])
    assert 1 <= int(answer.headers["retry-after"]) <= 60
    assert answer.headers["cache-control"] == "no-store"
    return True


@pytest.mark.sampled(2)
@only_sqlite
@pytest.mark.parametrize("accept", ["application/json", MODERN])
async def test_an_anonymous_network_that_spent_its_budget_waits(database_url: str, accept: str) -> None:
    async with small(database_url) as one:
        async with from_address(one, "2001:db8:1:2::1") as first, from_address(one, "2001:db8:1:2::2") as same:
            assert (await ask(first, DEAR, accept=accept)).status_code == 200
            assert is_rate_limited(await ask(first, DEAR, accept=accept))
            assert is_rate_limited(await ask(same, DEAR, accept=accept))
        async with from_address(one, "2001:db8:1:3::1") as other:
            assert (await ask(other, DEAR, accept=accept)).status_code == 200


@pytest.mark.long
@only_sqlite
async def test_tokens_and_members_have_budgets_of_their_own(database_url: str) -> None:
    async with small(database_url) as one:
        workspace = await one.world.workspace("spooled")
        ada, bob = [await one.world.member(workspace, "owner") for _ in range(2)]
        callers = [bearer((await one.token(workspace.id, "tokens:read"))[1]) for _ in range(2)]
        callers += [await one.cookie(person.name) for person in (ada, bob)]
        for headers in callers:
            assert (await ask(one.client, DEAR, headers)).status_code == 200
            assert is_rate_limited(await ask(one.client, DEAR, headers))
        assert (await ask(one.client, CHEAP)).status_code == 200, "the anonymous budget was not touched"


@only_sqlite
async def test_documents_pay_for_being_read_also_when_they_are_wrong(database_url: str) -> None:
    async with small(database_url) as one:
        wrong = "{ " + "x " * 9_000 + "}"
        answers = [await ask(one.client, wrong) for _ in range(12)]
        assert not is_rate_limited(answers[0])
        assert "OPERATION_TOO_LARGE" in answers[0].text
        assert is_rate_limited(answers[-1])


@pytest.mark.long
@only_sqlite
async def test_the_default_budget_lets_tools_and_sign_ins_through(database_url: str) -> None:
    async with served(database_url) as one:
        sign_in = 'mutation { signIn(input: {email: "a@b.example", password: "x"}) { __typename } }'
        for query in [DEAR, DEAR, *([sign_in] * 20), *([CHEAP] * 100)]:
            assert (await ask(one.client, query)).status_code == 200


async def test_an_operation_costs_at_most_half_of_a_full_account() -> None:
    now = 1_000.0
    budget = CallerBudget(MemoryLimiter(clock=lambda: now, share=4), "cost:x", Limit(4_000, 4_000))
    assert [await budget.charge(50_000) for _ in range(2)] == [None, None]
    assert await budget.charge(1) == 1
    assert await budget.charge(50_000) == 30
    now += 30
    assert await budget.charge(50_000) is None


@pytest.mark.parametrize("setting", ["graphql_cost_per_minute", "anonymous_cost_per_minute"])
@pytest.mark.parametrize("value", ["0", "999", "-5", "many", "9999999999"])
def test_a_budget_is_a_number_that_lets_something_through(setting: str, value: str) -> None:
    with pytest.raises(ConfigurationError, match=f"SPACEKEY_{setting.upper()}: write a number from 1000 to 999999999"):
        Settings.from_environ({f"SPACEKEY_{setting.upper()}": value})
