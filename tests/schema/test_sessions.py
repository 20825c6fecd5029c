"""A person's own sessions over GraphQL: the cookie goes with the session it stands for, and with no other."""

from __future__ import annotations

from typing import Any

from spacekey.domain.authentication import Authenticated
from spacekey.domain.secret import Secret
from spacekey.models.engine.store import Store
from spacekey.resolvers.accounts.sessions import session_outcome, sign_in
from support.schema import spacekey_schema
from support.world import FACTS, PASSWORD, Jar, World, make_world

SCHEMA = spacekey_schema()
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
