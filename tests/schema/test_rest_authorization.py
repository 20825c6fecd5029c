"""Every REST route × every role of every product × own, foreign and unknown targets × tokens × nobody."""

from __future__ import annotations

import itertools
import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest
from starlette.routing import Route

from spacekey.domain.ids import KEY, SPACE, WORKSPACE, new_id
from spacekey.domain.principal import Kind
from spacekey.domain.product import expand
from spacekey.models.tables.workspace import Workspace
from spacekey.resolvers.tokens.create import NewToken, create_token
from spacekey.resolvers.workspaces.roles import set_role
from spacekey.server.http.openapi import REQUIRED_SCOPES
from support.documents.openapi import api_document
from support.server import Served, bearer, served
from support.volume import volume
from support.world import OPERATOR, example_products

pytestmark = pytest.mark.sampled(3)

_numbers = itertools.count()

GIVEN = {"emit": "jobs:read", "spooled": "jobs:read", "teamspace": "documents:read", "guard": "sessions:read"}
PLANS = {"emit": "team", "spooled": "enterprise", "teamspace": "business", "guard": "paid"}
KEYS = "/api/v1/api-keys"
NOT_MET = {"If-Match": '"nothing"'}
"""A condition that does not hold, so that a caller who may delete something is told so, and deletes nothing."""
OPENING = frozenset({"operator:portal_sessions"})


@dataclass(frozen=True)
class Row:
    """One route: the scopes it takes, and what it answers on success and for what is not there.

    :param target: what is put into the address, query or body: a workspace, a token, a secret, or nothing.
    :param spacious: whether a token of a space is answered too, about its space.
    :param tokens: whether it takes a token, and no session of a person.
    :param people: whether any person who is signed in may, and no token.
    :param owners: whether it takes an owner of the workspace, signed in, whatever else the caller holds.
    :param service: whether it takes a service of the operator's, whatever a token or member holds.
    :param door: any of these lets one in, to be told there what is lacking; else all of ``needs`` do.
    """

    good: int
    needs: frozenset[str] = frozenset()
    target: str = "nothing"
    missing: int = 404
    public: bool = False
    door: frozenset[str] | None = None
    json: dict[str, Any] | None = None
    spacious: bool = True
    service: bool = False
    people: bool = False
    owners: bool = False
    headers: dict[str, str] = field(default_factory=dict)
    tokens: bool = False


TABLE: dict[tuple[str, str], Row] = {
    ("POST", KEYS): Row(201, frozenset({"tokens:create"}), "workspace"),
    ("GET", KEYS): Row(200, frozenset({"tokens:read"}), "workspace"),
    ("GET", f"{KEYS}/{{id}}"): Row(200, frozenset({"tokens:read"}), "token"),
    ("PATCH", f"{KEYS}/{{id}}"): Row(
        200,
        frozenset({"tokens:update"}),
        "token",
        door=frozenset({"tokens:update", "tokens:disable"}),
        json={"name": "N"},
    ),
    ("DELETE", f"{KEYS}/{{id}}"): Row(200, frozenset({"tokens:revoke"}), "token"),
    ("POST", f"{KEYS}/{{id}}/revoke"): Row(200, frozenset({"tokens:revoke"}), "token", json={"reason": "leaked"}),
    ("POST", f"{KEYS}/{{id}}/disable"): Row(200, frozenset({"tokens:disable"}), "token"),
    ("POST", f"{KEYS}/{{id}}/enable"): Row(200, frozenset({"tokens:disable"}), "token"),
    ("POST", f"{KEYS}/{{id}}/rotate"): Row(201, frozenset({"tokens:create", "tokens:revoke"}), "token", json={}),
    ("GET", "/api/v1/workspaces"): Row(200, frozenset({"workspace:read"})),
    ("POST", "/api/v1/workspaces/ensure"): Row(
        201,
        frozenset({"operator:workspaces:create", "workspace:read"}),
        json={"external_id": "e", "name": "N"},
        service=True,
    ),
    ("GET", "/api/v1/workspaces/{id}"): Row(200, frozenset({"workspace:read"}), "workspace"),
    ("PATCH", "/api/v1/workspaces/{id}"): Row(
        200, frozenset({"workspace:write"}), "workspace", json={"name": "N"}, spacious=False
    ),
    ("DELETE", "/api/v1/workspaces/{id}"): Row(
        412, frozenset({"workspace:write"}), "workspace", headers=NOT_MET, spacious=False, owners=True
    ),
    ("DELETE", "/api/v1/spaces/{id}"): Row(412, frozenset({"spaces:write"}), "space", headers=NOT_MET),
    ("GET", "/api/v1/spaces"): Row(200, frozenset({"spaces:read"}), "workspace"),
    ("POST", "/api/v1/spaces"): Row(
        201, frozenset({"spaces:write"}), "workspace", json={"name": "N", "slug": "%"}, spacious=False
    ),
    ("POST", "/api/v1/spaces/ensure"): Row(
        201,
        frozenset({"spaces:read", "spaces:write"}),
        "workspace",
        json={"name": "N", "external_id": "%"},
        spacious=False,
    ),
    ("GET", "/api/v1/spaces/{id}"): Row(200, frozenset({"spaces:read"}), "space"),
    ("PATCH", "/api/v1/spaces/{id}"): Row(200, frozenset({"spaces:write"}), "space", json={"name": "N"}),
    ("POST", "/api/v1/portal-sessions"): Row(
        201,
        OPENING,
        json={
            "workspace_id": "ws_01kb8bz9q1s3v5w7y9a1c3e5g7",
            "person": {"id": "user-7", "name": "N"},
            "origins": ["https://app.example.com"],
        },
        service=True,
    ),
    ("POST", "/api/v1/portal-sessions/end"): Row(
        200, OPENING, json={"workspace_id": "ws_01kb8bz9q1s3v5w7y9a1c3e5g7", "person_id": "user-7"}, service=True
    ),
    ("DELETE", "/api/v1/portal-sessions/{id}"): Row(204, OPENING, service=True),
    ("GET", "/api/v1/audit-events"): Row(200, frozenset({"audit:read"}), "workspace", spacious=False),
    ("GET", "/api/v1/usage"): Row(200, frozenset({"usage:read"}), "workspace"),
    ("GET", "/api/v1/usage/api-keys"): Row(200, frozenset({"tokens:read", "usage:read"}), "workspace"),
    ("GET", "/api/v1/quota"): Row(200, frozenset({"tokens:read"}), "workspace", spacious=False),
    ("POST", "/api/v1/introspect"): Row(200, frozenset({"tokens:introspect"}), "secret", missing=200),
    ("POST", "/api/v1/introspect/batch"): Row(
        200, frozenset({"tokens:introspect"}), json={"tokens": [{"token": "unknown"}]}
    ),
    ("POST", "/api/v1/revoke"): Row(200, frozenset({"tokens:revoke"}), "secret", missing=200),
    ("POST", "/api/v1/usage"): Row(200, frozenset({"tokens:introspect"}), json={"uses": []}),
    ("GET", "/api/v1/self"): Row(200),
    ("GET", "/api/v1/authorize"): Row(200, tokens=True),
    ("POST", "/graphql"): Row(200, public=True, json={"query": "{ me { kind } }"}),
    ("GET", "/api/v1/openapi.json"): Row(200, public=True),
    ("GET", "/healthz"): Row(200, public=True),
    ("GET", "/readyz"): Row(200, public=True),
    ("GET", "/metrics"): Row(200, public=True),
    # Last: it makes its caller an owner, of a workspace that no other row is about.
    ("POST", "/api/v1/workspaces"): Row(201, people=True, json={"name": "N", "slug": "%", "product": "emit"}),
}
"""Every route of the API. The dashboard's files are not the API's: they are public and hold nothing."""


@dataclass
class Asker:
    """Who asks: the headers of the request, and what is held in the workspace at hand."""

    name: str
    headers: dict[str, str] = field(default_factory=dict)
    here: frozenset[str] | None = None
    anywhere: frozenset[str] = frozenset()
    of_space: bool = False


class Grounds:
    """Two workspaces of one product behind the real server."""

    def __init__(self, server: Served, product: str) -> None:
        self.server, self.world = server, server.world
        self.product = self.world.system.products[product]
        self.spaces: dict[str, str] = {}
        self._targets: dict[str, tuple[str, str]] = {}

    async def set_up(self) -> None:
        name = self.product.name
        self.own = await self.world.workspace(name, plan=PLANS[name])
        self.foreign = await self.world.workspace(name, plan=PLANS[name])
        for one in (self.own, self.foreign):
            self.spaces[one.id] = (await self.world.space(one)).id
            if self.product.one_role:
                await set_role(self.world.system, OPERATOR, one.id, name=self.granted, grants=[GIVEN[name]])

    @property
    def granted(self) -> str:
        """What a token is given: a scope, or a role of it alone where tokens hold a role."""
        return "reader" if self.product.one_role else GIVEN[self.product.name]

    def space_of(self, workspace: Workspace) -> str | None:
        return None if Kind.WORKSPACE in self.product.token_kinds else self.spaces[workspace.id]

    async def token(self, workspace: Workspace, *grants: str) -> tuple[str, str]:
        if grants and self.product.one_role:
            await set_role(self.world.system, OPERATOR, workspace.id, name="asker", grants=grants)
            grants = ("asker",)
        asked = NewToken(workspace.id, "t", grants or (self.granted,), space_id=self.space_of(workspace))
        issued = await create_token(self.world.system, OPERATOR, asked)
        return issued.view.token.id, issued.secret.reveal()

    async def target(self, workspace: Workspace) -> tuple[str, str]:
        """A token for a request to be about: the same one until a request has changed it."""
        if workspace.id not in self._targets:
            self._targets[workspace.id] = await self.token(workspace)
        return self._targets[workspace.id]

    async def member(self, role: str) -> Asker:
        caller = await self.world.member(self.own, role)
        scopes = expand(self.product, [role], self.product.roles)
        return Asker(role, await self.server.cookie(caller.name), scopes, scopes)

    async def ask(self, key: tuple[str, str], row: Row, asker: Asker, where: str) -> Any:
        """One request on an own, foreign or unknown target."""
        (method, path), workspace = key, self.foreign if where == "foreign" else self.own
        clock, entropy = self.world.clock, self.world.system.entropy
        token_id, secret = await self.target(workspace)
        form, params = None, None
        unique = f"x{next(_numbers)}"
        body = None if row.json is None else {name: unique if one == "%" else one for name, one in row.json.items()}
        target = token_id
        if where == "unknown":
            target, secret = new_id(KEY, clock(), entropy), f"{secret[:-1]}{'a' if secret[-1] != 'a' else 'b'}"
        if row.target == "space":
            target = new_id(SPACE, clock(), entropy) if where == "unknown" else self.spaces[workspace.id]
        elif row.target == "workspace":
            workspace_id = new_id(WORKSPACE, clock(), entropy) if where == "unknown" else workspace.id
            if "{id}" in path:
                target = workspace_id
            elif method == "GET":
                params = {"workspace_id": workspace_id}
            elif body is not None:
                body |= {"workspace_id": workspace_id}
            else:
                body = {"name": "N", "permissions": [self.granted], "workspace_id": workspace_id}
                if self.space_of(workspace) is not None:
                    body["space_id"] = self.space_of(workspace)
        elif row.target == "secret":
            form = {"token": secret}
        answer = await self.server.client.request(
            method,
            path.replace("{id}", target),
            headers={**asker.headers, **row.headers},
            params=params,
            json=body,
            data=form,
        )
        if answer.is_success and method != "GET":
            self._targets.clear()
        return answer

    async def check(self, asker: Asker, rows: Mapping[tuple[str, str], Row] = TABLE) -> None:
        """The whole row of one caller, or a part of it."""
        wrong = []
        for key, row in rows.items():
            answers = {}
            for where in ("own", "foreign", "unknown") if row.target != "nothing" else ("own",):
                answer = await self.ask(key, row, asker, where)
                answers[where] = (answer.status_code, re.sub(r"\d{4}-\d\d-\d\dT[0-9:.]+Z", "…", answer.text))
                wanted = expected(row, asker, where)
                if key == ("GET", "/api/v1/authorize") and (wanted, answer.status_code) == (200, 429):
                    continue  # admitted, and charged to the plan's limit, which the many requests of a row use up
                if answer.status_code != wanted:
                    wrong.append(f"{key} by {asker.name} on {where}: {answers[where]}, not {wanted}")
            if answers.get("foreign") != answers.get("unknown"):
                wrong.append(f"{key} by {asker.name}: foreign and unknown differ: {answers}")
        assert not wrong, "\n".join(wrong)


def expected(row: Row, asker: Asker, where: str) -> int:
    """What the table says about one cell."""
    if row.public:
        return row.good
    if asker.here is None:
        return 401
    if row.tokens and "Cookie" in asker.headers:
        return 401
    if row.service:
        return 403
    if row.people:
        return row.good if "Cookie" in asker.headers else 403
    if row.target == "secret" and "Cookie" in asker.headers:
        # A form from a browser's session could come from any page: sessions send JSON alone.
        return 415
    if row.target == "secret" and where != "own" and row.good == row.missing == 200 and "tokens:revoke" in row.needs:
        # Revoking what is not there succeeds whoever asks (RFC 7009 §2.2).
        return 200
    if not (row.needs <= asker.anywhere if row.door is None else row.door & asker.anywhere):
        return 403
    if where != "own" or (asker.of_space and not row.spacious and row.needs <= asker.here):
        return row.missing
    return row.good if row.needs <= asker.here and (not row.owners or asker.name == "owner") else 403


@pytest.fixture
def on_grounds(database_url: str) -> Callable[[str, Callable[[Grounds], Awaitable[None]]], Awaitable[None]]:
    async def run(product: str, work: Callable[[Grounds], Awaitable[None]]) -> None:
        async with served(database_url) as server:
            grounds = Grounds(server, product)
            await grounds.set_up()
            await work(grounds)

    return run


Running = Callable[[str, Callable[[Grounds], Awaitable[None]]], Awaitable[None]]


async def test_every_route_is_in_the_table(database_url: str) -> None:
    async with served(database_url) as server:
        found = {
            (method, route.path)
            for route in server.app.routes
            if isinstance(route, Route)
            for method in (route.methods or {"GET"}) - {"HEAD"}
        }
    api = {one for one in found if one[1].startswith(("/api", "/graphql", "/healthz", "/readyz", "/metrics"))}
    assert api == set(TABLE)


def test_the_document_names_the_scopes_of_the_table() -> None:
    for path, item in api_document()["paths"].items():
        for method, operation in item.items():
            row = TABLE[method.upper(), path]
            if path == "/api/v1/revoke":  # a credential may revoke itself, whatever it holds
                assert operation[REQUIRED_SCOPES] == [[]]
            elif row.public or path == "/api/v1/authorize":  # there the proxy names the scopes
                assert REQUIRED_SCOPES not in operation
            else:
                alternatives = [row.needs] if row.door is None else [frozenset({one}) for one in row.door]
                assert {frozenset(one) for one in operation[REQUIRED_SCOPES]} == set(alternatives), path


@pytest.mark.parametrize("product", sorted(example_products()))
async def test_each_role_may_do_what_the_table_says(on_grounds: Running, product: str) -> None:
    async def work(grounds: Grounds) -> None:
        for role in grounds.product.roles:
            await grounds.check(await grounds.member(role))

    await on_grounds(product, work)


@pytest.mark.repeats
@pytest.mark.parametrize("product", sorted(example_products()))
async def test_tokens_may_do_what_their_scopes_say(on_grounds: Running, product: str) -> None:
    async def work(grounds: Grounds) -> None:
        given = GIVEN[product]
        for key, row in TABLE.items():
            if not row.needs or row.service:
                continue
            rows = volume(short={key: row}, long=TABLE)
            for scopes in (row.needs | {given}, grounds.product.known_scopes - row.needs):
                _, secret = await grounds.token(grounds.own, *scopes)
                of_space = grounds.space_of(grounds.own) is not None
                asker = Asker(f"token with {sorted(scopes)}", bearer(secret), scopes, scopes, of_space)
                await grounds.check(asker, rows)

    await on_grounds(product, work)


async def test_nobody_gets_beyond_what_is_public(on_grounds: Running) -> None:
    async def work(grounds: Grounds) -> None:
        await grounds.check(Asker("nobody"))
        answer = await grounds.server.client.get(f"{KEYS}/x", headers=bearer("sp_live_" + "x" * 38))
        assert answer.status_code == 401

    await on_grounds("spooled", work)
