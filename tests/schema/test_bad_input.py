"""Bad input: each row is refused at its field, with what to do about it, and changes nothing."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
import pytest_asyncio
from graphql import get_named_type

from spacekey.domain.ids import KEY, SPACE, WORKSPACE, new_id
from spacekey.domain.page import Page, PageRequest
from spacekey.domain.principal import Principal
from spacekey.domain.refusal import InputCode
from spacekey.domain.secret import mint
from spacekey.models.engine.store import Store
from spacekey.models.tables.workspace import Workspace
from spacekey.resolvers.access.caller import MemberCaller
from spacekey.resolvers.members.members import add_member
from spacekey.resolvers.tokens.create import NewToken, create_token
from spacekey.resolvers.workspaces.lists import invitation_lists
from spacekey.resolvers.workspaces.workspaces import WorkspaceChanges, update_workspace
from support.authorization.principals import principal_of
from support.schema import spacekey_schema
from support.snapshot import snapshot
from support.world import OPERATOR, World, make_world

pytestmark = pytest.mark.sampled(2)

SCHEMA = spacekey_schema()
HANDLED = "... on InvalidInput { errors { path code message } } ... on UserError { message code }"
MANY = [f"jobs:read{number}" for number in range(101)]


@dataclass
class Desk:
    """An owner with a workspace of spooled that holds a space and a token."""

    world: World
    owner: MemberCaller
    workspace: Workspace
    space_id: str
    token_id: str
    principal: Principal

    async def ask(self, document: str, variables: dict[str, Any] | None = None) -> dict[str, Any]:
        return await self.world.ask(SCHEMA, document, principal=self.principal, variables=variables)

    async def mutate(self, name: str, given: dict[str, Any]) -> dict[str, Any]:
        """Run one mutation on this desk's things; ``given`` is its input."""
        mutations = SCHEMA.rulebook.schema.mutation_type
        assert mutations is not None
        field = mutations.fields[name]
        kind = field.args["input"].type
        own = {"workspaceId": self.workspace.id, "ownerId": self.workspace.id, "userId": self.owner.id}
        own["id"] = {"Space": self.space_id, "Workspace": self.workspace.id}.get(
            name.removeprefix("update"), self.token_id
        )
        wanted = get_named_type(kind).fields
        filled = {key: value for key, value in own.items() if key in wanted} | given
        members = SCHEMA.rulebook.possible[get_named_type(field.type).name]
        handled = HANDLED if "InvalidInput" in members else "... on UserError { message code }"
        document = f"mutation($input: {kind}) {{ {name}(input: $input) {{ __typename {handled} }} }}"
        answer = await self.ask(document, {"input": filled})
        if "errors" in answer:
            return {"errors": answer["errors"]}
        result = dict(answer["data"][name])
        if result["__typename"] == "InvalidInput":
            first = result["errors"][0]
            result |= {"field": first["path"][0], "reason": first["message"]}
        return result


@pytest_asyncio.fixture
async def desk(store: Store) -> Desk:
    world = make_world(store)
    workspace = await world.workspace("spooled", slug="desk")
    owner = await world.member(workspace, "owner", "owner@example.com")
    space = await world.space(workspace)
    issued = await create_token(world.system, owner, NewToken(workspace.id, "mine", ("jobs:read",)))
    return Desk(world, owner, workspace, space.id, issued.view.token.id, await principal_of(world, owner))


NEW = {"name": "N", "grants": ["jobs:read"]}

# mutation, input, field, what the reason says
ROWS: list[tuple[str, dict[str, Any], str, str]] = [
    ("createToken", {**NEW, "name": ""}, "name", "empty"),
    ("createToken", {**NEW, "name": " \t "}, "name", "empty"),
    ("createToken", {**NEW, "name": "x" * 201}, "name", "at most 200 characters; this has 201"),
    ("createToken", {**NEW, "name": "a\0b"}, "name", "control characters"),
    ("createToken", {**NEW, "name": "a\nb"}, "name", "control characters or line breaks"),
    ("createToken", {**NEW, "name": "a\u2028b"}, "name", "line breaks"),
    ("createToken", {**NEW, "name": "evil\u202egnp.exe"}, "name", "control characters"),
    ("createToken", {**NEW, "name": "evil\u2066gnp"}, "name", "control characters"),
    ("createToken", {**NEW, "name": "half \ud83d"}, "name", "control characters"),
    ("createToken", {**NEW, "description": "x" * 2_001}, "description", "at most 2000 characters"),
    ("createToken", {**NEW, "description": "a\x07b"}, "description", "control characters"),
    ("createToken", {"name": "N"}, "grants", "at least one"),
    ("createToken", {**NEW, "environment": "PROD"}, "environment", "Unknown environment 'PROD'"),
    ("createToken", {**NEW, "grants": []}, "grants", "at least one"),
    ("createToken", {**NEW, "grants": MANY}, "grants", "at most 100; this has 101"),
    ("createToken", {**NEW, "grants": ["job:read"]}, "grants", "'job:read'.*Did you mean 'jobs:read'"),
    ("createToken", {**NEW, "grants": ["jobs:read", "\0"]}, "grants", r"Unknown scope '\?'"),
    ("createToken", {**NEW, "grants": ["half \ud83d"]}, "grants", "Unknown scope"),
    ("createToken", {**NEW, "grants": ["owner"]}, "grants", "Unknown scope 'owner'"),
    ("createToken", {**NEW, "preset": "worker"}, "preset", "Unknown preset 'worker'"),
    ("createToken", {**NEW, "expiresAt": "2026-06-01T12:00:00Z"}, "expiresAt", "future"),
    ("createToken", {**NEW, "expiresAt": "2020-01-01T00:00:00+02:00"}, "expiresAt", "future"),
    ("createToken", {**NEW, "expiresAt": "0001-01-01T00:00:00Z"}, "expiresAt", "future"),
    ("createToken", {**NEW, "grants": ["dlq:raed"]}, "grants", "Did you mean 'dlq:read'"),
    ("updateToken", {"name": "x" * 201}, "name", "at most 200"),
    ("updateToken", {"name": None}, "name", "Cannot be null"),
    ("updateToken", {"grants": None}, "grants", "Cannot be null"),
    ("updateToken", {"grants": []}, "grants", "at least one"),
    ("updateToken", {"grants": ["queue:read"]}, "grants", "Did you mean 'queues:read'"),
    ("updateToken", {"description": "x" * 2_001}, "description", "at most 2000"),
    ("updateToken", {"expiresAt": "2026-01-01T00:00:00Z"}, "expiresAt", "future"),
    ("rotateToken", {"graceSeconds": -1}, "graceSeconds", "0 to 604800"),
    ("rotateToken", {"graceSeconds": 604_801}, "graceSeconds", "0 to 604800"),
    ("rotateToken", {"expiresAt": "2026-01-01T00:00:00Z"}, "expiresAt", "future"),
    ("revokeToken", {"reason": "x" * 501}, "reason", "at most 500"),
    ("revokeTokens", {"ids": []}, "ids", "1 to 100"),
    ("revokeTokens", {"ids": [f"key_{number:026}" for number in range(101)]}, "ids", "1 to 100"),
    ("revokeTokens", {"ids": [f"key_{number % 2:026}" for number in range(120)]}, "ids", "1 to 100"),
    ("updateWorkspace", {"plan": "fre"}, "plan", "Unknown plan 'fre'. Did you mean 'free'"),
    ("updateWorkspace", {"plan": "zzz"}, "plan", "'zzz'. There are 'enterprise', 'free' and 'pro'.$"),
    ("updateWorkspace", {"plan": "pro"}, "plan", "ask the operator"),
    ("updateWorkspace", {"plan": None}, "plan", "Cannot be null"),
    ("updateWorkspace", {"name": None}, "name", "Cannot be null"),
    ("updateWorkspace", {"slug": None}, "slug", "Cannot be null"),
    ("updateWorkspace", {"policy": {"expiryRequired": None}}, "policy", "Cannot be null"),
    ("updateWorkspace", {"policy": None}, "policy", "Cannot be null"),
    ("updateWorkspace", {"slug": "Not A Slug"}, "slug", "lower-case"),
    ("updateWorkspace", {"slug": "-x"}, "slug", "inner hyphens"),
    ("updateWorkspace", {"slug": "x" * 64}, "slug", "1 to 63"),
    ("updateWorkspace", {"policy": {"maxLifetimeSeconds": 0}}, "policy", "1 or more"),
    ("updateWorkspace", {"policy": {"defaultLifetimeSeconds": -1}}, "policy", "1 or more"),
    ("updateWorkspace", {"policy": {"maxLifetimeSeconds": 9, "defaultLifetimeSeconds": 10}}, "policy", "longer"),
    ("updateWorkspace", {"policy": {"scopesAllowed": ["job:read"]}}, "policy", "Did you mean 'jobs:read'"),
    ("setRole", {"name": "owner", "grants": ["jobs:read"]}, "name", "owner role cannot be changed"),
    ("setRole", {"name": "Reviewer", "grants": ["jobs:read"]}, "name", "lower-case"),
    ("setRole", {"name": "jobs:read", "grants": ["jobs:read"]}, "name", "is a scope or shorthand"),
    ("setRole", {"name": "reviewer", "grants": []}, "grants", "at least one"),
    ("setRole", {"name": "reviewer", "grants": ["member"]}, "grants", "Unknown scope 'member'"),
    ("setRole", {"name": "reviewer", "grants": ["jobs:read"], "title": ""}, "title", "empty"),
    ("setRole", {"name": "reviewer", "grants": ["jobs:read"], "description": "x" * 501}, "description", "at most 500"),
    ("createSpace", {"name": "", "slug": "new"}, "name", "empty"),
    ("createSpace", {"name": "New", "slug": ""}, "slug", "1 to 63"),
    ("updateSpace", {"name": None}, "name", "Cannot be null"),
    ("updateSpace", {"slug": "NO"}, "slug", "lower-case"),
    ("addMember", {"email": "nobody", "role": "member"}, "email", "e-mail address"),
    ("addMember", {"email": "a\0@b.c", "role": "member"}, "email", "invisible"),
    ("addMember", {"email": f"{'x' * 64}@{'y' * 190}.com", "role": "member"}, "email", "e-mail address"),
    ("addMember", {"email": "a@b.c", "role": "membr"}, "role", "Unknown role 'membr'. Did you mean 'member'"),
    ("addMember", {"email": "a@b.c", "role": "member", "name": "\x1b[31m"}, "name", "control characters"),
    ("changeMemberRole", {"role": "admn"}, "role", "Did you mean 'admin'"),
    ("createWorkspace", {"name": "W", "slug": "w", "product": "spoold"}, "product", "Did you mean 'spooled'"),
    ("createWorkspace", {"name": "", "slug": "w", "product": "spooled"}, "name", "empty"),
    ("createWorkspace", {"name": "W", "slug": "W", "product": "spooled"}, "slug", "lower-case"),
]  # fmt: skip


async def test_each_row_is_refused_at_its_field_and_nothing_changes(desk: Desk) -> None:
    before = await snapshot(desk.world.system.store)
    wrong = []
    for mutation, given, field, reason in ROWS:
        answer = await desk.mutate(mutation, given)
        if (
            answer.get("__typename") != "InvalidInput"
            or answer["field"] != field
            or not re.search(reason, answer["reason"])
            or answer["message"] != " ".join(f"{shown(one['path'])}: {one['message']}" for one in answer["errors"])
            or answer["code"] != "INVALID_INPUT"
            or any(one["code"] not in InputCode.__members__ for one in answer["errors"])
        ):
            wrong.append((mutation, given, answer))
    assert not wrong, "\n".join(map(ascii, wrong))
    assert await snapshot(desk.world.system.store) == before


# mutation, input, the place and the code of everything that is wrong
SEVERAL: list[tuple[str, dict[str, Any], list[tuple[list[str], str]]]] = [
    (
        "createToken",
        {"name": "", "grants": ["jobs:raed", "jobs:read", "x"], "expiresAt": "2001-01-01T00:00:00Z"},
        [
            (["name"], "REQUIRED"),
            (["grants", "0"], "UNKNOWN_VALUE"),
            (["grants", "2"], "UNKNOWN_VALUE"),
            (["expiresAt"], "IN_PAST"),
        ],
    ),
    ("updateToken", {"name": None, "grants": None}, [(["name"], "REQUIRED"), (["grants"], "REQUIRED")]),
    (
        "updateWorkspace",
        {"name": None, "slug": None, "plan": None, "policy": {"expiryRequired": None}},
        [
            (["name"], "REQUIRED"),
            (["slug"], "REQUIRED"),
            (["plan"], "REQUIRED"),
            (["policy", "expiryRequired"], "REQUIRED"),
        ],
    ),
    ("updateSpace", {"name": None, "slug": None}, [(["name"], "REQUIRED"), (["slug"], "REQUIRED")]),
    ("updateSpace", {"name": "", "slug": "Über"}, [(["name"], "REQUIRED"), (["slug"], "INVALID_FORMAT")]),
    (
        "updateWorkspace",
        {
            "name": "",
            "slug": "Über",
            "plan": "none",
            "policy": {
                "maxLifetimeSeconds": 0,
                "defaultLifetimeSeconds": 0,
                "scopesAllowed": ["jobs:read", "x", "y"],
            },
        },
        [
            (["name"], "REQUIRED"),
            (["slug"], "INVALID_FORMAT"),
            (["plan"], "UNKNOWN_VALUE"),
            (["policy", "maxLifetimeSeconds"], "OUT_OF_RANGE"),
            (["policy", "defaultLifetimeSeconds"], "OUT_OF_RANGE"),
            (["policy", "scopesAllowed", "1"], "UNKNOWN_VALUE"),
            (["policy", "scopesAllowed", "2"], "UNKNOWN_VALUE"),
        ],
    ),
    (
        "createWorkspace",
        {"name": "", "slug": "Über", "product": "none"},
        [(["name"], "REQUIRED"), (["slug"], "INVALID_FORMAT"), (["product"], "UNKNOWN_VALUE")],
    ),
    (
        "setRole",
        {"name": "new", "title": "", "grants": ["jobs:read", "x", "y"]},
        [(["title"], "REQUIRED"), (["grants", "1"], "UNKNOWN_VALUE"), (["grants", "2"], "UNKNOWN_VALUE")],
    ),
    (
        "addMember",
        {"email": "ada", "name": "", "role": "member"},
        [(["email"], "INVALID_FORMAT"), (["name"], "REQUIRED")],
    ),
    ("createSpace", {"name": "", "slug": "Über"}, [(["name"], "REQUIRED"), (["slug"], "INVALID_FORMAT")]),
]


@pytest.mark.parametrize(("mutation", "given", "faults"), SEVERAL)
async def test_all_faults_of_an_input_are_told_at_once(
    desk: Desk, mutation: str, given: dict[str, Any], faults: list[tuple[list[str], str]]
) -> None:
    before = await snapshot(desk.world.system.store)
    answer = await desk.mutate(mutation, given)
    assert answer["__typename"] == "InvalidInput", answer
    found = [(one["path"], one["code"]) for one in answer["errors"]]
    assert sorted(found) == sorted(faults)
    assert await snapshot(desk.world.system.store) == before


async def test_conflicts_are_told_apart(desk: Desk) -> None:
    fresh = [(await desk.mutate("createSpace", {"name": "S", "slug": "taken"}))["__typename"]]
    assert fresh == ["CreateSpaceSuccess"]
    assert (await desk.mutate("createSpace", {"name": "S", "slug": "taken"}))["code"] == "SLUG_TAKEN"
    assert (await desk.mutate("rotateToken", {}))["__typename"] == "RotateTokenSuccess"
    assert (await desk.mutate("rotateToken", {}))["code"] == "ALREADY_ROTATED"
    assert (await desk.mutate("revokeToken", {}))["__typename"] == "RevokeTokenSuccess"
    assert (await desk.mutate("enableToken", {}))["code"] == "TOKEN_REVOKED"
    assert (await desk.mutate("removeMember", {}))["code"] == "LAST_OWNER"


# mutation, input, what the error says: refused while variables are coerced, before anything runs
UNREADABLE: list[tuple[str, dict[str, Any], str]] = [
    ("createToken", {**NEW, "expiresAt": "2030-01-01T00:00:00"}, "expiresAt.*with its zone"),
    ("createToken", {**NEW, "expiresAt": "tomorrow"}, "expiresAt.*Is not a time"),
    ("createToken", {**NEW, "expiresAt": ""}, "expiresAt.*Is not a time"),
    ("createToken", {**NEW, "expiresAt": 1_900_000_000}, "expiresAt.*A time is a string"),
    ("createToken", {**NEW, "expiresAt": "2030-13-45T99:00:00Z"}, "expiresAt.*Is not a time"),
    ("createToken", {**NEW, "expiresAt": "0001-01-01T00:00:00+14:00"}, "expiresAt.*years 1 and 9999"),
    ("createToken", {"grants": ["jobs:read"]}, "to include required field 'name'$"),
    ("updateToken", {"nmae": "x"}, "nmae.*Did you mean 'name'.$"),
    ("rotateToken", {"graceSeconds": 2**31}, "graceSeconds.*non 32-bit"),
    ("setRole", {"name": 7, "grants": None}, "String cannot represent a non string$"),
]


async def test_what_cannot_be_read_is_refused_before_anything_runs(desk: Desk) -> None:
    before = await snapshot(desk.world.system.store)
    wrong = []
    for mutation, given, message in UNREADABLE:
        answer = await desk.mutate(mutation, given)
        if "errors" not in answer or not re.search(message, answer["errors"][0]["message"]):
            wrong.append((mutation, given, answer))
    assert not wrong, "\n".join(map(ascii, wrong))
    assert await snapshot(desk.world.system.store) == before


@pytest.mark.parametrize(
    ("name", "kept"),
    [
        ("x" * 200, "x" * 200),
        ("CI 🚀 — Größe", "CI 🚀 — Größe"),
        ("  trimmed  ", "trimmed"),
        ("family 👩‍👩‍👧", "family 👩‍👩‍👧"),
        ("مفتاح", "مفتاح"),
    ],
)
async def test_good_names_are_kept(desk: Desk, name: str, kept: str) -> None:
    answer = await desk.mutate("updateToken", {"name": name})
    assert answer["__typename"] == "UpdateTokenSuccess"
    found = await desk.ask("query($id: ID!) { token(id: $id) { name grants } }", {"id": desk.token_id})
    assert found["data"]["token"] == {"name": kept, "grants": ["jobs:read"]}


async def test_a_hundred_grants_are_not_too_many(desk: Desk) -> None:
    """Repetitions count, and are kept once."""
    answer = await desk.mutate("updateToken", {"grants": ["jobs:read"] * 100})
    assert answer["__typename"] == "UpdateTokenSuccess"


async def test_the_policys_longest_lifetime_bounds_every_expiry(desk: Desk) -> None:
    world = desk.world
    day = WorkspaceChanges(lifetime_seconds_max=86_400)
    await update_workspace(world.system, OPERATOR, desk.workspace.id, day)
    short = NewToken(desk.workspace.id, "short", ("jobs:read",), expires_at=world.clock() + timedelta(hours=1))
    short_id = (await create_token(world.system, desk.owner, short)).view.token.id
    before = await snapshot(world.system.store)
    late = (world.clock() + timedelta(days=1, microseconds=1)).isoformat()
    late_ones: list[tuple[str, dict[str, Any]]] = [
        ("createToken", {**NEW, "expiresAt": late}),
        ("createToken", {**NEW, "expiresAt": None}),
        ("createToken", NEW),
        ("updateToken", {"id": short_id, "expiresAt": late}),
        ("updateToken", {"id": short_id, "expiresAt": None}),
        ("rotateToken", {"expiresAt": late}),
        ("rotateToken", {}),
    ]
    for mutation, given in late_ones:
        answer = await desk.mutate(mutation, given)
        assert (answer["__typename"], answer["field"]) == ("InvalidInput", "expiresAt"), (mutation, given, answer)
        assert "within 1 day" in answer["reason"]
    assert await snapshot(world.system.store) == before
    exact = (world.clock() + timedelta(days=1)).isoformat()
    assert (await desk.mutate("createToken", {**NEW, "expiresAt": exact}))["__typename"] == "CreateTokenSuccess"


async def test_an_expiry_date_may_be_required(desk: Desk) -> None:
    await update_workspace(desk.world.system, OPERATOR, desk.workspace.id, WorkspaceChanges(expiry_required=True))
    answer = await desk.mutate("createToken", NEW)
    assert (answer["field"], answer["reason"]) == ("expiresAt", "The workspace's policy requires an expiry date.")


async def test_left_out_keeps_and_null_clears(desk: Desk) -> None:
    soon = (desk.world.clock() + timedelta(days=3)).isoformat()
    await desk.mutate("updateToken", {"description": "for CI", "expiresAt": soon})
    read = "query($id: ID!) { token(id: $id) { name description expiresAt grants } }"
    full = {
        "name": "mine",
        "description": "for CI",
        "expiresAt": "2026-06-04T12:00:00.000Z",
        "grants": ["jobs:read"],
    }
    await desk.mutate("updateToken", {})
    assert (await desk.ask(read, {"id": desk.token_id}))["data"]["token"] == full
    await desk.mutate("updateToken", {"description": None, "expiresAt": None})
    cleared = {**full, "description": None, "expiresAt": None}
    assert (await desk.ask(read, {"id": desk.token_id}))["data"]["token"] == cleared


async def test_a_workspaces_policy_is_kept_when_left_out_and_cleared_by_null(desk: Desk) -> None:
    policy = {"maxLifetimeSeconds": 100, "defaultLifetimeSeconds": 50, "scopesAllowed": ["jobs:read"]}
    await desk.mutate("updateWorkspace", {"policy": policy})
    await desk.mutate("updateWorkspace", {"name": "Renamed"})
    read = of_workspace(f"policy {{ {' '.join(policy)} }}")
    ids = {"id": desk.workspace.id}
    assert (await desk.ask(read, ids))["data"]["workspace"]["policy"] == policy
    await desk.mutate("updateWorkspace", {"policy": dict.fromkeys(policy)})
    assert (await desk.ask(read, ids))["data"]["workspace"]["policy"] == dict.fromkeys(policy)


async def test_a_role_keeps_what_is_left_out(desk: Desk) -> None:
    given = {"name": "reviewer", "grants": ["jobs:read"], "title": "Reviewer", "description": "Looks"}
    await desk.mutate("setRole", given)
    await desk.mutate("setRole", {"name": "reviewer", "grants": ["dlq:read"]})
    read = "query($id: ID!) { workspace(id: $id) { roles { name title description grants } } }"
    roles = (await desk.ask(read, {"id": desk.workspace.id}))["data"]["workspace"]["roles"]
    assert {**given, "grants": ["dlq:read"]} in roles


def shown(path: list[str]) -> str:
    """A path as it stands in a message: without positions in lists."""
    return ".".join(one for one in path if not one.isdigit())


def ids_of_nothing(desk: Desk, kind: str) -> list[str]:
    return [
        new_id(kind, desk.world.clock(), desk.world.system.entropy),
        "",
        "\0",
        f"{kind}_",
        f"{kind}_\0",
        "half \ud83d",
        "x" * 10_000,
        f"{kind}_{'U' * 26}",
        "' OR 1=1 --",
    ]


ON_IDS: list[tuple[str, str, str, dict[str, Any]]] = [
    ("createToken", "ownerId", SPACE, NEW),
    ("createToken", "ownerId", WORKSPACE, NEW),
    ("updateToken", "id", KEY, {}),
    ("disableToken", "id", KEY, {}),
    ("enableToken", "id", KEY, {}),
    ("revokeToken", "id", KEY, {}),
    ("deleteToken", "id", KEY, {}),
    ("rotateToken", "id", KEY, {}),
    ("updateWorkspace", "id", WORKSPACE, {"name": "N"}),
    ("setRole", "workspaceId", WORKSPACE, {"name": "helper", "grants": ["jobs:read"]}),
    ("deleteRole", "workspaceId", WORKSPACE, {"name": "helper"}),
    ("createSpace", "workspaceId", WORKSPACE, {"name": "N", "slug": "n"}),
    ("updateSpace", "id", SPACE, {}),
    ("deleteSpace", "id", SPACE, {}),
    ("deleteWorkspace", "id", WORKSPACE, {}),
    ("withdrawInvitation", "id", "inv", {}),
    ("addMember", "workspaceId", WORKSPACE, {"email": "a@b.c", "role": "member"}),
    ("changeMemberRole", "userId", "usr", {"role": "member"}),
    ("removeMember", "userId", "usr", {}),
]


async def test_ids_of_nothing_and_of_others_answer_alike(desk: Desk) -> None:
    other = await desk.world.workspace("spooled")
    stranger = await desk.world.member(other, "owner")
    space = await desk.world.space(other)
    token = await create_token(desk.world.system, OPERATOR, NewToken(other.id, "theirs", ("jobs:read",)))
    await add_member(desk.world.system, OPERATOR, other.id, email="invited@example.com", role="member")
    invited = (await invitation_lists(desk.world.system, OPERATOR, [other.id], PageRequest(1)))[0]
    assert isinstance(invited, Page)
    foreign = {WORKSPACE: other.id, SPACE: space.id, KEY: token.view.token.id, "usr": stranger.id}
    foreign["inv"] = invited.rows[0].id
    before = await snapshot(desk.world.system.store)
    for mutation, field, kind, given in ON_IDS:
        ids = [foreign[kind], *ids_of_nothing(desk, kind)]
        answers = [await desk.mutate(mutation, {**given, field: one}) for one in ids]
        assert answers == [answers[0]] * len(answers)
        assert answers[0]["__typename"] == "NotFound", (mutation, answers[0])
    assert await snapshot(desk.world.system.store) == before


@pytest.mark.parametrize(("field", "kind"), [("workspace", WORKSPACE), ("space", SPACE), ("token", KEY), ("node", KEY)])
async def test_queries_answer_null_for_ids_of_nothing(desk: Desk, field: str, kind: str) -> None:
    for one in ids_of_nothing(desk, kind):
        answer = await desk.ask(f"query($id: ID!) {{ {field}(id: $id) {{ id }} }}", {"id": one})
        assert answer == {"data": {field: None}}


async def test_one_bad_id_among_many_revokes_nothing(desk: Desk) -> None:
    before = await snapshot(desk.world.system.store)
    for bad in ids_of_nothing(desk, KEY):
        assert (await desk.mutate("revokeTokens", {"ids": [desk.token_id, bad]}))["__typename"] == "NotFound"
    assert await snapshot(desk.world.system.store) == before


def of_workspace(selection: str) -> str:
    return f"query($id: ID!) {{ workspace(id: $id) {{ {selection} }} }}"


CURSORS = [
    ("tokens(first: -1) { nodes { id } }", "first", "Must be 0 or more."),
    ("tokens(first: 101) { nodes { id } }", "first", "Must be 100 or less."),
    ("tokens(last: 101) { nodes { id } }", "last", "Must be 100 or less."),
    ("tokens(first: 1, last: 1) { nodes { id } }", "last", "Give either first or last, not both."),
    ('tokens(after: "") { nodes { id } }', "after", "Is not a cursor"),
    ('tokens(after: "bm90IG9uZQ") { nodes { id } }', "after", "Is not a cursor"),
    ('tokens(last: 1, before: "\\u0000") { nodes { id } }', "before", "Is not a cursor"),
    ('spaces(after: "x") { nodes { id } }', "after", "Is not a cursor"),
    ('spaces(text: "\\u0000") { nodes { id } }', "text", "cannot be stored"),
    (f'spaces(text: "{"x" * 201}") {{ nodes {{ id }} }}', "text", "at most 200"),
    ('members(after: "x") { nodes { userId } }', "after", "Is not a cursor"),
    ('invitations(after: "x") { nodes { id } }', "after", "Is not a cursor"),
    ('auditLog(after: "x") { nodes { id } }', "after", "Is not a cursor"),
    ('auditLog(filter: {targetId: "\u0007"}) { nodes { id } }', "targetId", "No event can have this value"),
    ('auditLog(filter: {actorId: "ada\\tx"}) { nodes { id } }', "actorId", "Write an id"),
    ('tokens(filter: {createdBy: "ada\\tx"}) { nodes { id } }', "createdBy", "Write an id"),
    ("tokens(filter: {unusedForDays: -1}) { nodes { id } }", "unusedForDays", "0 to"),
    ("tokens(filter: {expiringWithinDays: 9999}) { nodes { id } }", "expiringWithinDays", "0 to"),
    ('tokens(filter: {text: "\\u0000"}) { nodes { id } }', "text", "cannot be stored"),
    (f'tokens(filter: {{text: "{"x" * 201}"}}) {{ nodes {{ id }} }}', "text", "at most 200"),
    ("tokens { nodes { usage(days: 0) { day } } }", "days", "1 to 366"),
    ("tokens { nodes { unusedScopes(days: 367) } }", "days", "1 to 366"),
]


async def test_a_list_that_cannot_be_is_an_error_at_its_argument(desk: Desk) -> None:
    for selection, field, reason in CURSORS:
        answer = await desk.ask(of_workspace(selection), {"id": desk.workspace.id})
        facts = answer["errors"][0]["extensions"]
        [fault] = facts["errors"]
        assert (facts["code"], fault["path"]) == ("INVALID_INPUT", [field]), (selection, answer)
        assert reason in fault["message"]
        assert fault["code"] in InputCode.__members__


async def test_tampered_cursors_and_those_of_other_lists_are_refused(desk: Desk) -> None:
    ids = {"id": desk.workspace.id}
    page = await desk.ask(of_workspace("tokens { edges { cursor } } spaces { edges { cursor } }"), ids)
    token_cursor = page["data"]["workspace"]["tokens"]["edges"][0]["cursor"]
    space_cursor = page["data"]["workspace"]["spaces"]["edges"][0]["cursor"]
    tampered = [token_cursor[:-1] + ("A" if token_cursor[-1] != "A" else "B"), token_cursor[1:], token_cursor + "A"]
    for cursor in [*tampered, space_cursor]:
        answer = await desk.ask(of_workspace(f'tokens(after: "{cursor}") {{ nodes {{ id }} }}'), ids)
        assert answer["errors"][0]["extensions"]["errors"][0]["path"] == ["after"]
    by_name = f'tokens(orderBy: {{field: NAME}}, after: "{token_cursor}") {{ nodes {{ id }} }}'
    answer = await desk.ask(of_workspace(by_name), ids)
    assert "another list or ordering" in answer["errors"][0]["message"]


SIGN_IN = (
    f"mutation($e: String!, $p: String!) {{ signIn(input: {{email: $e, password: $p}}) {{ __typename {HANDLED} }} }}"
)


@pytest.mark.parametrize(
    ("email", "password"),
    [
        ("nobody@example.com", "seven wooden boats at noon"),
        ("owner@example.com", "wrong"),
        ("owner@example.com", ""),
        ("owner@example.com", "half \ud83d"),
        ("half \ud83d@example.com", "seven wooden boats at noon"),
        ("a\0@example.com", "seven wooden boats at noon"),
        ("x" * 10_000, "y" * 10_000),
    ],
)
async def test_a_sign_in_that_fails_says_the_same_whatever_failed(desk: Desk, email: str, password: str) -> None:
    answer = await desk.world.ask(SCHEMA, SIGN_IN, variables={"e": email, "p": password})
    assert answer["data"]["signIn"] == {
        "__typename": "SignInFailed",
        "message": "The sign-in name or password is wrong.",
        "code": "SIGN_IN_FAILED",
    }


async def test_a_pasted_token_is_told_that_it_cannot_sign_in(desk: Desk) -> None:
    secret = mint("sp", "live", desk.world.system.entropy).reveal()
    for email, password in [("owner@example.com", f" {secret}\n"), (secret, "x")]:
        answer = await desk.world.ask(SCHEMA, SIGN_IN, variables={"e": email, "p": password})
        [fault] = answer["data"]["signIn"]["errors"]
        assert fault["path"] == ["password"]
        assert "Tokens are for programs" in fault["message"]
