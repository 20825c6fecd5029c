"""Times on the wire."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from graphql import GraphQLError
from hypothesis import given
from hypothesis import strategies as st

from spacekey.domain.clock import EXAMPLE_MOMENT
from spacekey.domain.refusal import InvalidInput
from spacekey.domain.unset import Unset
from spacekey.models.engine.store import SQLITE
from spacekey.resolvers.workspaces.workspaces import WorkspaceChanges, update_workspace
from spacekey.schema.types.relay import DATE_TIME
from spacekey.server.cli.common.run import read_expiry
from spacekey.server.timestamps import read_moment, written
from support.server import Served, bearer, served
from support.world import OPERATOR

GOOD = [
    ("2026-06-01T12:00:00Z", datetime(2026, 6, 1, 12, tzinfo=UTC)),
    ("2026-06-01t12:00:00z", datetime(2026, 6, 1, 12, tzinfo=UTC)),
    ("2026-06-01 14:00:00+02:00", datetime(2026, 6, 1, 12, tzinfo=UTC)),
    ("2026-06-01T12:00:00.123456Z", datetime(2026, 6, 1, 12, 0, 0, 123456, tzinfo=UTC)),
    ("2026-06-01T12:00:00.123456789Z", datetime(2026, 6, 1, 12, 0, 0, 123456, tzinfo=UTC)),
]
NAIVE = [
    "2026-06-01T12:00:00",
    "2026-06-01 12:00:00.5",
    "2026-06-01t12:00:00",
]
BEYOND = [
    "9999-12-31T23:59:59-14:00",
    "0001-01-01T00:00:00+14:00",
]
UNREADABLE = [
    "2026-06-01",
    "2026-06-01T12:00Z",
    "2026-13-01T12:00:00",
    "2026-13-01T12:00:00Z",
    "2026-06-01T24:00:01Z",
    "2026-06-01T12:00:00+99:00",
    "٢٠٢٦-06-01T12:00:00Z",
    "20260601T120000Z",
    "",
    None,
    1_780_000_000,
    True,
]


@pytest.mark.parametrize(("text", "moment"), GOOD)
def test_times_with_a_zone_are_read(text: str, moment: datetime) -> None:
    assert read_moment("at", text) == moment


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        (NAIVE, f"Give a time with its zone, like '{EXAMPLE_MOMENT}'."),
        (BEYOND, "Give a time between the years 1 and 9999."),
        (UNREADABLE, f"Is not a time; write '{EXAMPLE_MOMENT}'."),
    ],
    ids=["naive", "beyond", "unreadable"],
)
def test_anything_else_is_refused_by_what_is_wrong_with_it(values: list[object], reason: str) -> None:
    for value in values:
        with pytest.raises(InvalidInput) as refused:
            read_moment("at", value)
        assert (refused.value.field, refused.value.reason) == ("at", reason), value


def _over_graphql(text: str) -> datetime:
    """The value as the GraphQL scalar reads it."""
    return DATE_TIME.parse_value(text)  # type: ignore[misc, no-any-return]


READERS: dict[str, Callable[[str], datetime | Unset | None]] = {
    "rest": lambda text: read_moment("at", text),
    "graphql": _over_graphql,
    "command line": lambda text: read_expiry(text, datetime(2026, 1, 1, tzinfo=UTC)),
}
"""Every way in which a client may hand over a time."""

PARTS = st.tuples(
    st.sampled_from(
        ["2030-01-31", "2030-02-30", "2030-13-01", "2030-W01-1", "2030W011", "2030-031", "20300131", "2030-1-31"]
    ),
    st.sampled_from(["T", "t", " ", "_", ""]),
    st.sampled_from(["12:00:00", "12:00", "120000", "24:00:00", "23:59:60", "12:00:00.5", "12:00:00,5", "12:00:00."]),
    st.sampled_from(
        ["Z", "z", "+02:00", "-23:59", "+00:60", "+24:00", "+0200", "+02", "+02:00:30", " Z", "Z ", "\n", ""]
    ),
)
RFC_3339 = re.compile(r"2030-01-31[Tt ](?:12:00:00(?:\.5)?)(?:[Zz]|\+02:00|-23:59)")
"""Which of those RFC 3339 §5.6 has, written by hand beside the alternatives above."""


@given(PARTS.map("".join))
def test_all_interfaces_read_the_times_of_rfc_3339_and_no_others(text: str) -> None:
    expected = RFC_3339.fullmatch(text) is not None
    for name, read in READERS.items():
        try:
            read(text)
        except (InvalidInput, GraphQLError):
            taken = False
        else:
            taken = True
        assert taken is expected, (name, text)


@pytest.mark.parametrize("text", ["2026-06-01T12:00:00", "2026-13-01T12:00:00Z", "soon"])
def test_rest_and_graphql_say_the_same_of_a_time(text: str) -> None:
    with pytest.raises(InvalidInput) as over_rest:
        read_moment("at", text)
    with pytest.raises(GraphQLError) as over_graphql:
        _over_graphql(text)
    assert over_rest.value.reason == over_graphql.value.message


def test_the_example_is_a_time_that_can_be_written() -> None:
    assert read_moment("at", EXAMPLE_MOMENT) == datetime(2030, 1, 31, 12, tzinfo=UTC)


def test_times_are_written_in_utc() -> None:
    moment = datetime(2026, 6, 1, 14, 0, 0, 123999, tzinfo=timezone(timedelta(hours=2)))
    assert written(moment) == "2026-06-01T12:00:00.123Z"
    assert written(None) is None


# Lifetimes travel as durations: the server counts them, so a client's clock does not matter.


LONGEST = 30 * 86_400
SCOPES = ("jobs:read", "tokens:read", "tokens:create", "tokens:update", "tokens:revoke")

REST = {
    "create": ("POST", "/api/v1/api-keys", {"name": "n", "permissions": ["jobs:read"]}),
    "edit": ("PATCH", "/api/v1/api-keys/{id}", {}),
    "rotate": ("POST", "/api/v1/api-keys/{id}/rotate", {}),
}
GRAPHQL = {
    "create": ("createToken", "CreateTokenInput", {"name": "n", "grants": ["jobs:read"]}),
    "edit": ("updateToken", "UpdateTokenInput", {}),
    "rotate": ("rotateToken", "RotateTokenInput", {}),
}


async def by_rest(server: Served, who: dict[str, str], what: str, ids: dict[str, str], asked: dict[str, Any]) -> Any:
    method, path, body = REST[what]
    answer = await server.client.request(method, path.format(**ids), headers=who, json={**body, **asked})
    facts = answer.json()
    if answer.status_code >= 400:
        return facts["errors"][0]["pointer"].removeprefix("/")
    listed = await server.client.get(f"/api/v1/api-keys/{facts['id']}", headers=who)
    return datetime.fromisoformat(listed.json()["expires_at"])


async def by_graphql(server: Served, who: dict[str, str], what: str, ids: dict[str, str], asked: dict[str, Any]) -> Any:
    name, input_type, body = GRAPHQL[what]
    target = {"ownerId": ids["workspace"]} if what == "create" else {"id": ids["id"]}
    camel = {{"expires_in": "expiresIn", "expires_at": "expiresAt"}[key]: value for key, value in asked.items()}
    success = {"create": "CreateTokenSuccess", "edit": "UpdateTokenSuccess", "rotate": "RotateTokenSuccess"}[what]
    document = f"""mutation ($input: {input_type}!) {{ answer: {name}(input: $input) {{
        ... on {success} {{ token {{ expiresAt }} }} ... on InvalidInput {{ errors {{ path }} }} }} }}"""
    sent = {"query": document, "variables": {"input": {**body, **target, **camel}}}
    answer = (await server.client.post("/graphql", headers=who, json=sent)).json()["data"]["answer"]
    if "errors" in answer:
        [field] = answer["errors"][0]["path"]
        return {"expiresIn": "expires_in", "expiresAt": "expires_at"}.get(field, field)
    return datetime.fromisoformat(answer["token"]["expiresAt"])


WAYS = {"rest": by_rest, "graphql": by_graphql}


@pytest.mark.parametrize("database_kind", [SQLITE], indirect=True)
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("what", REST)
async def test_exactly_the_longest_lifetime_is_taken_and_a_second_more_is_not(
    way: str, what: str, database_url: str
) -> None:
    async with served(database_url) as server:
        workspace = await server.world.workspace("spooled", plan="enterprise")
        await update_workspace(
            server.world.system, OPERATOR, workspace.id, WorkspaceChanges(lifetime_seconds_max=LONGEST)
        )
        _, own = await server.token(workspace.id, *SCOPES, expires_in=timedelta(days=30))
        token_id, _ = await server.token(workspace.id, "jobs:read", expires_in=timedelta(days=1))
        ids = {"id": token_id, "workspace": workspace.id}
        ask, who, now = WAYS[way], bearer(own), server.world.clock()
        assert await ask(server, who, what, ids, {"expires_in": LONGEST + 1}) == "expires_at"
        for wrong in (0, -1, 2**31 - 1 + 1 if way == "rest" else 0):
            assert await ask(server, who, what, ids, {"expires_in": wrong}) == "expires_in"
        both = {"expires_in": 60, "expires_at": (now + timedelta(hours=1)).isoformat()}
        assert await ask(server, who, what, ids, both) == "expires_in"
        assert await ask(server, who, what, ids, {"expires_in": LONGEST}) == now + timedelta(seconds=LONGEST)
