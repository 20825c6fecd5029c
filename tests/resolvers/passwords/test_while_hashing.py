"""Passwords that are set and checked: what happens while they are hashed, and what is refused as one."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace

import pytest
from argon2 import PasswordHasher

from spacekey.domain.refusal import InvalidInput, UserError
from spacekey.models.engine.store import Store
from spacekey.resolvers.access.caller import MemberCaller
from spacekey.resolvers.accounts.erasure import erase_user
from spacekey.resolvers.accounts.sessions import change_password, end_session, own_sessions, sign_in
from spacekey.resolvers.accounts.users import create_user, own_account, prove_email, reset_password, update_account
from spacekey.resolvers.members.invitations import accept_invitation
from spacekey.resolvers.members.members import Invited, add_member
from spacekey.resolvers.passwords.hashing import Passwords, Turn
from spacekey.resolvers.tokens.create import NewToken, create_token
from support.snapshot import snapshot
from support.world import FACTS, OPERATOR, PASSWORD, World, make_world

NEW = "eleven quiet trams before dawn"
WEAK = "passwordpassword"
EVE = "eve@example.com"


class Meanwhile(Passwords):
    """Lets something happen once, while a password is hashed or checked."""

    def __init__(self, happens: Callable[[], Awaitable[object]]) -> None:
        super().__init__(PasswordHasher(time_cost=1, memory_cost=8, parallelism=1))
        self._happens: Callable[[], Awaitable[object]] | None = happens

    async def _once(self) -> None:
        happens, self._happens = self._happens, None
        if happens is not None:
            await happens()

    async def hash(self, password: str, turn: Turn) -> str:
        await self._once()
        return await super().hash(password, turn)

    async def matches(self, stored: str | None, password: str, turn: Turn) -> bool:
        await self._once()
        return await super().matches(stored, password, turn)


Setting = Callable[[World, MemberCaller, str], Awaitable[object]]

SETTING: dict[str, Setting] = {
    "sign in": lambda world, _eve, _password: sign_in(world.system, FACTS, email=EVE, password=PASSWORD),
    "change it": lambda world, eve, password: change_password(world.system, eve, current=PASSWORD, new=password),
    "have it reset": lambda world, eve, password: reset_password(world.system, OPERATOR, eve.id, password=password),
}


@pytest.mark.parametrize("setting", SETTING)
async def test_who_is_erased_while_a_password_is_hashed_stays_erased(store: Store, setting: str) -> None:
    world = make_world(store)
    eve = await world.user(EVE)
    left: dict[str, object] = {}

    async def erased() -> None:
        await erase_user(world.system, OPERATOR, eve.id)
        left.update(await snapshot(store))

    world.system = replace(world.system, passwords=Meanwhile(erased))
    with pytest.raises(UserError):
        await SETTING[setting](world, eve, NEW)
    assert left
    assert await snapshot(store) == left


async def a_new_account(world: World, _eve: MemberCaller, password: str) -> object:
    return await create_user(world.system, OPERATOR, email="new@example.com", name="New", password=password)


async def by_invitation(world: World, _eve: MemberCaller, password: str) -> object:
    workspace = await world.workspace("spooled")
    made = await add_member(world.system, OPERATOR, workspace.id, email="new@example.com", role="member")
    assert isinstance(made, Invited)
    return await accept_invitation(world.system, FACTS, None, code=made.invitation.reveal(), password=password)


@pytest.mark.parametrize("way", [SETTING["change it"], SETTING["have it reset"], a_new_account, by_invitation])
async def test_a_password_that_is_guessed_first_is_refused_whoever_sets_it(store: Store, way: Setting) -> None:
    world = make_world(store)
    eve = await world.user(EVE)
    with pytest.raises(InvalidInput, match="guessed first"):
        await way(world, eve, WEAK)
    await way(world, eve, NEW)


@pytest.mark.parametrize("field", ["email", "password"])
async def test_a_token_in_either_field_is_told_to_be_no_password_and_counts_as_no_guess(
    store: Store, field: str
) -> None:
    world = make_world(store)
    await world.user(EVE)
    workspace = await world.workspace("spooled")
    token = await create_token(world.system, OPERATOR, NewToken(workspace.id, "t", ("jobs:read",)))
    typed = {"email": EVE, "password": PASSWORD, field: f" {token.secret.reveal()} "}
    for _ in range(50):
        with pytest.raises(InvalidInput, match="This is an API token"):
            await sign_in(world.system, FACTS, email=typed["email"], password=typed["password"])
    assert await sign_in(world.system, FACTS, email=EVE, password=PASSWORD)


async def test_a_session_is_ended_by_a_request_that_came_with_none(store: Store) -> None:
    world = make_world(store)
    eve = await world.user(EVE)
    await sign_in(world.system, FACTS, email=EVE, password=PASSWORD)
    (one,) = await own_sessions(world.system, eve, None)
    assert await end_session(world.system, eve, one.id, None) is False
    assert await own_sessions(world.system, eve, None) == []


@pytest.mark.parametrize("own", ["another proven address", "a claim of the same", "none"])
async def test_who_proves_an_address_gets_it_as_a_sign_in_name_from_whoever_has_not(store: Store, own: str) -> None:
    """A sign-in name that is an address belongs to who has proven that address, and not to who has proven another."""
    world = make_world(store)
    holder = await world.user("holder@example.com")
    if own != "another proven address":
        await update_account(world.system, holder, email="wanted@example.com" if own == "a claim of the same" else None)
    await update_account(world.system, holder, sign_in_name="wanted@example.com")
    prover = await world.user("first@example.com")
    await update_account(world.system, prover, email="wanted@example.com")
    await prove_email(world.system, OPERATOR, prover.id)
    assert (await own_account(world.system, holder)).sign_in_name is None
    for name in ("wanted@example.com", "first@example.com"):
        if (await own_account(world.system, prover)).sign_in_name == name:
            assert (await sign_in(world.system, FACTS, email=name, password=PASSWORD)).user.id == prover.id
    assert (await sign_in(world.system, FACTS, email=holder.id, password=PASSWORD)).user.id == holder.id


async def test_a_name_of_ones_own_proven_address_stays(store: Store) -> None:
    world = make_world(store)
    holder, other = await world.user("holder@example.com"), await world.user("other@example.com")
    await update_account(world.system, other, email="holder@example.com")
    with pytest.raises(UserError):
        await prove_email(world.system, OPERATOR, other.id)
    assert (await own_account(world.system, holder)).sign_in_name == "holder@example.com"


async def test_a_claimed_address_that_is_folded_to_the_proven_one_keeps_no_sign_in_name(store: Store) -> None:
    """They are two addresses and one sign-in name."""
    world = make_world(store)
    holder, prover = await world.user("holder@example.com"), await world.user("first@example.com")
    await update_account(world.system, holder, email="strasse@corp.test", sign_in_name="strasse@corp.test")
    await update_account(world.system, prover, email="straße@corp.test")
    await prove_email(world.system, OPERATOR, prover.id)
    account = await own_account(world.system, holder)
    assert (account.email, account.sign_in_name) == ("strasse@corp.test", None)
