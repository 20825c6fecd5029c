"""Signing in, staying signed in and being signed out."""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import Any

import pytest
from argon2 import PasswordHasher

from spacekey.domain.authentication import Authenticated, Reason, Rejected
from spacekey.domain.ids import SESSION, id_prefix
from spacekey.domain.refusal import InvalidInput, NotFound, SignInFailed, TooManyAttempts
from spacekey.domain.secret import Secret, mint
from spacekey.models.engine.store import Store
from spacekey.models.queries import users as user_queries
from spacekey.resolvers.access.caller import MemberCaller, RequestFacts
from spacekey.resolvers.accounts.sessions import (
    ABSOLUTE,
    IDLE,
    change_password,
    end_other_sessions,
    end_session,
    own_sessions,
    session_outcome,
    sign_in,
    sign_out,
)
from spacekey.resolvers.members.invitations import Joined, accept_invitation
from spacekey.resolvers.members.members import Invited, add_member
from spacekey.resolvers.passwords.hashing import COMMAND_LINE, Passwords, Turn
from support.world import FACTS, OPERATOR, PASSWORD, World, make_world

ANOTHER = "eleven copper kettles in a row"


async def good(world: World, secret: Secret) -> bool:
    return isinstance(await session_outcome(world.system, secret), Authenticated)


class Counted(Passwords):
    """Counts how often a hash is checked, and can do something meanwhile."""

    def __init__(self) -> None:
        super().__init__(PasswordHasher(time_cost=1, memory_cost=8, parallelism=1))
        self.checked = 0
        self.meanwhile: Any = None

    async def matches(self, stored: str | None, password: str, turn: Turn = COMMAND_LINE) -> bool:
        self.checked += 1
        answer = await super().matches(stored, password, turn)
        if self.meanwhile is not None:
            work, self.meanwhile = self.meanwhile, None
            await work()
        return answer


async def test_an_unknown_user_costs_a_hash_too(store: Store) -> None:
    world = make_world(store)
    passwords = Counted()
    system = replace(world.system, passwords=passwords)
    await world.user("ada@example.com")
    for number, email in enumerate(["ada@example.com", "nobody@example.com", "not an address", "a\0@b.c"], 1):
        with pytest.raises(SignInFailed):
            await sign_in(system, FACTS, email=email, password="wrong")
        assert passwords.checked == number


async def test_an_invited_person_without_a_password_cannot_sign_in(store: Store) -> None:
    world = make_world(store)
    workspace = await world.workspace("emit")
    await add_member(world.system, OPERATOR, workspace.id, email="new@example.com", role="viewer")
    for password in ("", PASSWORD):
        with pytest.raises(SignInFailed):
            await sign_in(world.system, FACTS, email="new@example.com", password=password)


async def fail(world: World, ip: str, email: str = "ada@example.com") -> type[BaseException]:
    """What a wrong password from this address is answered with."""
    with pytest.raises((SignInFailed, TooManyAttempts)) as error:
        await sign_in(world.system, RequestFacts(ip=ip), email=email, password="wrong")
    return error.type


async def test_guessing_at_an_account_is_slowed_down(store: Store) -> None:
    world = make_world(store)
    await world.user("ada@example.com")
    assert [await fail(world, "192.0.2.1") for _ in range(11)] == [SignInFailed] * 10 + [TooManyAttempts]
    with pytest.raises(TooManyAttempts) as refused:
        await sign_in(world.system, RequestFacts(ip="192.0.2.1"), email=" ADA@example.com ", password=PASSWORD)
    assert 0 < refused.value.retry_after_seconds <= 31
    elsewhere = await sign_in(world.system, FACTS, email="ada@example.com", password=PASSWORD)
    assert elsewhere.user.email == "ada@example.com"


async def test_guessing_at_an_account_from_everywhere_is_slowed_down_too(store: Store) -> None:
    world = make_world(store)
    await world.user("ada@example.com")
    answers = [await fail(world, f"192.0.2.{number}") for number in range(110)]
    assert answers[:90] == [SignInFailed] * 90
    assert answers[-1] is TooManyAttempts


async def test_an_account_of_ones_own_does_not_pay_for_guesses_at_others(store: Store) -> None:
    world = make_world(store)
    await world.user("mine@example.com")
    answers = []
    for number in range(12):
        answers.append(await fail(world, FACTS.ip, f"victim{number}@example.com"))
        if number < 9:
            await sign_in(world.system, FACTS, email="mine@example.com", password=PASSWORD)
    assert answers == [SignInFailed] * 10 + [TooManyAttempts] * 2


async def test_signing_in_well_is_never_slowed_down(store: Store) -> None:
    world = make_world(store)
    await world.user("ada@example.com")
    for _ in range(30):
        await sign_in(world.system, FACTS, email="ada@example.com", password=PASSWORD)


async def test_a_token_is_no_password(store: Store) -> None:
    world = make_world(store)
    secret = mint("sp", "live", world.system.entropy).reveal()
    with pytest.raises(InvalidInput, match="Tokens are for programs") as refused:
        await sign_in(world.system, FACTS, email="ada@example.com", password=f" {secret}")
    assert secret not in str(refused.value)


async def test_a_session_ends_when_idle_and_in_any_case_after_two_weeks(store: Store) -> None:
    world = make_world(store)
    await world.user("ada@example.com")
    idle = await sign_in(world.system, FACTS, email="ada@example.com", password=PASSWORD)
    world.clock.now += IDLE
    assert await session_outcome(world.system, idle.secret) == Rejected(Reason.EXPIRED)
    busy = await sign_in(world.system, FACTS, email="ada@example.com", password=PASSWORD)
    end = world.clock() + ABSOLUTE
    while world.clock() + IDLE / 2 < end:
        world.clock.now += IDLE / 2
        assert await good(world, busy.secret)
    world.clock.now = end
    assert await session_outcome(world.system, busy.secret) == Rejected(Reason.EXPIRED)


async def test_signing_out_ends_one_session_and_changing_the_password_all(store: Store) -> None:
    world = make_world(store)
    ada = await world.user("ada@example.com")
    one, two, three = [await sign_in(world.system, FACTS, email="ada@example.com", password=PASSWORD) for _ in range(3)]
    await sign_out(world.system, ada, one.secret)
    assert [await good(world, opened.secret) for opened in (one, two, three)] == [False, True, True]
    new = await change_password(world.system, ada, current=PASSWORD, new=ANOTHER)
    assert [await good(world, opened.secret) for opened in (two, three, new)] == [False, False, True]
    with pytest.raises(SignInFailed):
        await sign_in(world.system, FACTS, email="ada@example.com", password=PASSWORD)


async def test_a_wrong_current_password_changes_nothing(store: Store) -> None:
    world = make_world(store)
    ada = await world.user("ada@example.com")
    opened = await sign_in(world.system, FACTS, email="ada@example.com", password=PASSWORD)
    with pytest.raises(SignInFailed):
        await change_password(world.system, ada, current="wrong", new=ANOTHER)
    assert await good(world, opened.secret)


async def test_no_session_opens_with_a_password_that_is_changed_meanwhile(store: Store) -> None:
    """The old password was right when it was checked; the change that ends all sessions came between."""
    world = make_world(store)
    ada = await world.user("ada@example.com")
    passwords = Counted()
    system = replace(world.system, passwords=passwords)

    async def change() -> None:
        await change_password(world.system, ada, current=PASSWORD, new=ANOTHER)

    passwords.meanwhile = change
    with pytest.raises(SignInFailed):
        await sign_in(system, FACTS, email="ada@example.com", password=PASSWORD)
    passwords.meanwhile = None
    assert (await sign_in(system, FACTS, email="ada@example.com", password=ANOTHER)).user.id == ada.id


async def test_a_hash_of_yesterdays_parameters_is_renewed_at_sign_in(store: Store) -> None:
    world = make_world(store)
    ada = await world.user("ada@example.com")
    stronger = Passwords(PasswordHasher(time_cost=2, memory_cost=16, parallelism=1))
    system = replace(world.system, passwords=stronger)
    await sign_in(system, FACTS, email="ada@example.com", password=PASSWORD)
    async with store.reading() as session:
        user = await user_queries.user_by_id(session, ada.id)
    assert user is not None
    assert user.password_hash is not None
    assert "m=16,t=2" in user.password_hash
    await sign_in(system, FACTS, email="ada@example.com", password=PASSWORD)


async def invited(world: World, email: str = "new@example.com") -> Secret:
    """A code for a new person, or for one who has an account."""
    workspace = await world.workspace("emit")
    owner = await world.member(workspace, "owner")
    added = await add_member(world.system, owner, workspace.id, email=email, role="viewer")
    assert isinstance(added, Invited)
    return added.invitation


async def accept(
    world: World, code: Secret, password: str | None = ANOTHER, caller: MemberCaller | None = None
) -> Joined:
    return await accept_invitation(world.system, FACTS, caller, code=code.reveal(), password=password)


async def test_an_invitation_is_good_once_and_for_a_week(store: Store) -> None:
    world = make_world(store)
    code = await invited(world)
    with pytest.raises(InvalidInput):
        await accept(world, code, "short")
    opened = (await accept(world, code)).signed_in
    assert opened is not None
    assert await good(world, opened.secret)
    with pytest.raises(NotFound):
        await accept(world, code, "nine yellow umbrellas outside")
    late = await invited(world, "late@example.com")
    world.clock.forward(days=7)
    with pytest.raises(NotFound):
        await accept(world, late)


@pytest.mark.parametrize(
    "password",
    [
        "short",
        "x" * 300,
        "aaaaaaaaaaaaaaaaaaaa",
        "passwordpassword1",
        "ada.lovelace123",
        "correct horse battery staple",
    ],
)
async def test_weak_passwords_are_refused(store: Store, password: str) -> None:
    world = make_world(store)
    code = await invited(world, "ada.lovelace@example.com")
    with pytest.raises(InvalidInput) as refused:
        await accept(world, code, password)
    assert refused.value.field == "password"
    assert password not in refused.value.reason


# A member's own sessions: seen by their owner alone, ended one by one or all but this one.


async def opened(world: World, email: str = "ada@example.com", agent: str = "tests/1") -> Secret:
    facts = RequestFacts(ip="192.0.2.7", user_agent=agent)
    return (await sign_in(world.system, facts, email=email, password=PASSWORD)).secret


async def test_sessions_are_listed_with_where_they_came_from_and_which_is_this_one(store: Store) -> None:
    world = make_world(store)
    ada = await world.user("ada@example.com")
    await world.user("bob@example.com")
    await opened(world, "bob@example.com")
    await opened(world, agent="Firefox")
    world.clock.forward(minutes=5)
    present = await opened(world, agent="Chromium")
    found = await own_sessions(world.system, ada, present)
    assert [(one.user_agent, one.is_current, one.ip) for one in found] == [
        ("Chromium", True, "192.0.2.7"),
        ("Firefox", False, "192.0.2.7"),
    ]
    assert found[1].ends_at == found[1].last_seen_at + IDLE
    assert [one.is_current for one in await own_sessions(world.system, ada, None)] == [False, False]


async def test_what_is_shown_of_a_session_opens_nothing(store: Store) -> None:
    world = make_world(store)
    ada = await world.user("ada@example.com")
    present = await opened(world)
    (one,) = await own_sessions(world.system, ada, present)
    assert id_prefix(one.id) == SESSION
    shown = str(asdict(one))
    for kept_to_itself in (present.reveal(), present.digest().hex(), present.digest().hex()[:12]):
        assert kept_to_itself not in shown
    assert not await good(world, Secret(one.id))


async def test_sessions_that_are_over_are_not_shown(store: Store) -> None:
    world = make_world(store)
    ada = await world.user("ada@example.com")
    await opened(world)
    world.clock.now += IDLE
    assert await own_sessions(world.system, ada, None) == []
    busy = await opened(world)
    end = world.clock() + ABSOLUTE
    while world.clock() + IDLE / 2 < end:
        world.clock.now += IDLE / 2
        assert await good(world, busy)
        await world.system.last_seen.flush(store)
    assert [one.ends_at for one in await own_sessions(world.system, ada, busy)] == [end]
    world.clock.now = end
    assert await own_sessions(world.system, ada, busy) == []


async def test_ending_one_session_ends_that_one(store: Store) -> None:
    world = make_world(store)
    ada = await world.user("ada@example.com")
    lost = await opened(world)
    world.clock.forward(seconds=1)
    present = await opened(world)
    own, other = await own_sessions(world.system, ada, present)
    assert not await end_session(world.system, ada, other.id, present)
    assert [await good(world, one) for one in (lost, present)] == [False, True]
    with pytest.raises(NotFound):
        await end_session(world.system, ada, other.id, present)
    assert await end_session(world.system, ada, own.id, present)
    assert not await good(world, present)


async def test_nobody_ends_somebody_elses_session(store: Store) -> None:
    world = make_world(store)
    ada, bob = await world.user("ada@example.com"), await world.user("bob@example.com")
    secret = await opened(world)
    (one,) = await own_sessions(world.system, ada, secret)
    for wrong in (one.id, "ses_unknown", ada.id, secret.reveal()):
        with pytest.raises(NotFound):
            await end_session(world.system, bob, wrong, None)
    await end_other_sessions(world.system, bob, None)
    assert await good(world, secret)


async def test_ending_all_others_keeps_this_one(store: Store) -> None:
    world = make_world(store)
    ada = await world.user("ada@example.com")
    one, two, present = [await opened(world) for _ in range(3)]
    assert len(set(await end_other_sessions(world.system, ada, present))) == 2
    assert [await good(world, each) for each in (one, two, present)] == [False, False, True]
    assert await end_other_sessions(world.system, ada, present) == []


async def test_a_list_of_sessions_has_a_bound(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    world = make_world(store)
    ada = await world.user("ada@example.com")
    monkeypatch.setattr("spacekey.resolvers.accounts.sessions.SESSIONS_LISTED_MAX", 2)
    for _ in range(3):
        world.clock.forward(seconds=1)
        await opened(world)
    assert len(await own_sessions(world.system, ada, None)) == 2
