"""What every mutation answers: a result of its own, ids of what is gone, and times that are not too early."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from graphql import GraphQLNonNull, GraphQLObjectType, GraphQLUnionType, get_named_type
from hypothesis import given, settings
from hypothesis import strategies as st

from spacekey.domain.authentication import Authenticated
from spacekey.domain.clock import whole_milliseconds_later, written_to_milliseconds
from spacekey.domain.secret import Secret
from spacekey.models.engine.store import Store
from spacekey.models.tables.workspace import Workspace
from spacekey.resolvers.accounts.sessions import session_outcome, sign_in
from spacekey.resolvers.tokens.create import NewToken, create_token
from support.authorization.principals import principal_of
from support.schema import spacekey_schema
from support.world import FACTS, OPERATOR, PASSWORD, Jar, World, make_world

SCHEMA = spacekey_schema()


def results() -> dict[str, GraphQLUnionType]:
    """The result of every mutation, by name."""
    mutations = SCHEMA._schema.mutation_type
    assert mutations is not None
    found = {}
    for name, field in mutations.fields.items():
        assert not isinstance(field.type, GraphQLNonNull), f"{name} may fail beside others"
        assert isinstance(field.type, GraphQLUnionType), name
        found[name] = field.type
    return found


def test_every_mutation_has_a_result_and_a_success_of_its_own() -> None:
    """They share only expected errors, so none has a member or a field that it cannot have."""
    for name, result in results().items():
        called = f"{name[0].upper()}{name[1:]}"
        assert result.name == f"{called}Result"
        errors: list[GraphQLObjectType] = []
        others: list[GraphQLObjectType] = []
        for one in result.types:
            (errors if any(each.name == "UserError" for each in one.interfaces) else others).append(one)
        assert [one.name for one in others] == [f"{called}Success"], name
        assert errors, name
        fields = others[0].fields
        objects = {
            key
            for key, one in fields.items()
            if isinstance(one.type, GraphQLNonNull) and isinstance(get_named_type(one.type), GraphQLObjectType)
        }
        assert not objects, f"{name}: an error below {objects} would lose the rest"


@settings(deadline=None)
@given(st.datetimes(datetime(1970, 1, 1), datetime(9999, 12, 31), timezones=st.just(UTC)))  # noqa: DTZ001
def test_the_time_of_an_effect_is_not_before_it(moment: datetime) -> None:
    shown = datetime.fromisoformat(written_to_milliseconds(whole_milliseconds_later(moment)))
    assert moment <= shown < moment + timedelta(milliseconds=1)
    assert datetime.fromisoformat(written_to_milliseconds(moment)) <= moment


async def _asked(world: World, who: Any, document: str) -> dict[str, Any]:
    answer = await world.ask(SCHEMA, document, principal=await principal_of(world, who))
    assert "errors" not in answer, answer
    data: dict[str, Any] = answer["data"]
    return data


@pytest.fixture
async def world(store: Store) -> World:
    return make_world(store, staleness_seconds=1.0)


async def _token(world: World, workspace: Workspace, name: str) -> str:
    return (await create_token(world.system, OPERATOR, NewToken(workspace.id, name, ("jobs:read",)))).view.token.id


async def test_times_are_milliseconds_and_an_effect_is_rounded_up(world: World) -> None:
    world.clock.now = datetime(2026, 6, 1, 12, 0, 0, 123_456, UTC)
    workspace = await world.workspace("spooled")
    owner = await world.member(workspace, "owner")
    made = await _asked(
        world,
        owner,
        f'mutation {{ createToken(input: {{ownerId: "{workspace.id}", name: "t", grants: ["jobs:read"]}}) '
        "{ ... on CreateTokenSuccess { effectiveAt token { id createdAt } } } }",
    )
    assert made["createToken"]["effectiveAt"] == "2026-06-01T12:00:00.124Z"
    assert made["createToken"]["token"]["createdAt"] == "2026-06-01T12:00:00.123Z"
    gone = await _asked(
        world,
        owner,
        f'mutation {{ disableToken(input: {{id: "{made["createToken"]["token"]["id"]}"}}) '
        "{ ... on DisableTokenSuccess { effectiveAt } } }",
    )
    assert gone["disableToken"]["effectiveAt"] == "2026-06-01T12:00:01.124Z"


@pytest.mark.parametrize(
    ("name", "success", "field"),
    [
        ("disableTokens", "tokens { id status }", "tokens"),
        ("revokeTokens", "tokens { id status }", "tokens"),
        ("deleteTokens", "deletedTokenIds", "deletedTokenIds"),
    ],
)
async def test_several_tokens_are_changed_together_or_not_at_all(
    world: World, name: str, success: str, field: str
) -> None:
    workspace = await world.workspace("spooled", plan="enterprise")
    owner = await world.member(workspace, "owner")
    ids = [await _token(world, workspace, f"t{number}") for number in range(3)]
    foreign = await _token(world, await world.workspace("spooled"), "foreign")
    called = f"{name[0].upper()}{name[1:]}Success"

    async def change(*wanted: str) -> dict[str, Any]:
        listed = ", ".join(f'"{one}"' for one in wanted)
        document = (
            f"mutation {{ answer: {name}(input: {{ids: [{listed}]}}) "
            f"{{ __typename ... on {called} {{ effectiveAt {success} }} ... on UserError {{ code }} }} }}"
        )
        found: dict[str, Any] = (await _asked(world, owner, document))["answer"]
        return found

    async def states() -> list[str]:
        document = f'{{ workspace(id: "{workspace.id}") {{ tokens {{ nodes {{ status }} }} }} }}'
        return [one["status"] for one in (await _asked(world, owner, document))["workspace"]["tokens"]["nodes"]]

    for others in ((foreign,), ("key_x",)):
        assert (await change(*ids, *others))["code"] == "NOT_FOUND"
    assert (await change())["code"] == "INVALID_INPUT"
    assert await states() == ["ACTIVE"] * 3
    done = await change(ids[2], ids[0], ids[2])
    assert done["__typename"] == called, done
    assert re.search(r":01\.000Z$", done["effectiveAt"])
    listed = [one if isinstance(one, str) else one["id"] for one in done[field]]
    assert listed == [ids[2], ids[0]]
    after = {"disableTokens": "DISABLED", "revokeTokens": "REVOKED"}.get(name)
    assert sorted(await states()) == sorted(["ACTIVE", *([after] * 2 if after else [])])


async def test_revoked_tokens_are_not_disabled_with_others(world: World) -> None:
    workspace = await world.workspace("spooled", plan="enterprise")
    owner = await world.member(workspace, "owner")
    ids = [await _token(world, workspace, f"t{number}") for number in range(2)]
    await _asked(world, owner, f'mutation {{ revokeToken(input: {{id: "{ids[1]}"}}) {{ __typename }} }}')
    answer = await _asked(
        world,
        owner,
        f'mutation {{ disableTokens(input: {{ids: ["{ids[0]}", "{ids[1]}"]}}) {{ ... on Conflict {{ code }} }} }}',
    )
    assert answer["disableTokens"] == {"code": "TOKEN_REVOKED"}
    read = await _asked(world, owner, f'{{ token(id: "{ids[0]}") {{ status }} }}')
    assert read["token"]["status"] == "ACTIVE"


# A person's own sessions over GraphQL: the cookie goes with the session it stands for, and with no other.


LIST = "{ sessions { id isCurrent userAgent ip createdAt lastSeenAt endsAt } }"
END = """mutation($id: ID!) { endSession(input: {id: $id}) {
    __typename ... on EndSessionSuccess { endedSessionId } } }"""
END_OTHERS = """mutation { endOtherSessions {
    __typename ... on EndOtherSessionsSuccess { endedCount endedSessionIds } } }"""


async def signed_in(world: World) -> Secret:
    return (await sign_in(world.system, FACTS, email="ada@example.com", password=PASSWORD)).secret


async def ask(world: World, secret: Secret, document: str, **variables: Any) -> tuple[dict[str, Any], Jar]:
    """An answer to the browser with this session, and what became of its cookie."""
    verdict = await session_outcome(world.system, secret)
    assert isinstance(verdict, Authenticated)
    jar = Jar(secret)
    answer = await world.ask(SCHEMA, document, principal=verdict.principal, variables=variables, jar=jar)
    assert "errors" not in answer, answer
    return answer["data"], jar


async def test_the_present_session_is_marked_and_nothing_shown_opens_one(store: Store) -> None:
    world = make_world(store)
    await world.user("ada@example.com")
    other, present = await signed_in(world), await signed_in(world)
    found = (await ask(world, present, LIST))[0]["sessions"]
    assert sorted(one["isCurrent"] for one in found) == [False, True]
    assert {(one["userAgent"], one["ip"]) for one in found} == {(FACTS.user_agent, FACTS.ip)}
    for secret in (other, present):
        assert secret.reveal() not in str(found)
        assert secret.digest().hex() not in str(found)


async def test_ending_another_session_keeps_the_cookie_and_ending_this_one_takes_it_back(store: Store) -> None:
    world = make_world(store)
    await world.user("ada@example.com")
    other, present = await signed_in(world), await signed_in(world)
    ids = {one["isCurrent"]: one["id"] for one in (await ask(world, present, LIST))[0]["sessions"]}
    data, jar = await ask(world, present, END, id=ids[False])
    assert (data["endSession"]["endedSessionId"], jar.closed) == (ids[False], False)
    assert not isinstance(await session_outcome(world.system, other), Authenticated)
    data, jar = await ask(world, present, END, id=ids[True])
    assert (data["endSession"]["endedSessionId"], jar.closed) == (ids[True], True)
    assert not isinstance(await session_outcome(world.system, present), Authenticated)


async def test_ending_all_others_says_how_many_and_keeps_the_cookie(store: Store) -> None:
    world = make_world(store)
    await world.user("ada@example.com")
    present = [await signed_in(world) for _ in range(3)][-1]
    others = {one["id"] for one in (await ask(world, present, LIST))[0]["sessions"] if not one["isCurrent"]}
    data, jar = await ask(world, present, END_OTHERS)
    assert (data["endOtherSessions"]["endedCount"], jar.closed) == (2, False)
    assert set(data["endOtherSessions"]["endedSessionIds"]) == others
    assert isinstance(await session_outcome(world.system, present), Authenticated)
