"""Hashing of passwords: a few at a time, whose turn it is, and what happens meanwhile."""

from __future__ import annotations

import ast
import asyncio
import inspect
import threading
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path

import pytest
from argon2 import PasswordHasher

from spacekey import resolvers
from spacekey.domain.errors import ServiceUnavailable
from spacekey.domain.network import network_of
from spacekey.domain.refusal import InvalidInput, UserError
from spacekey.models.engine.store import Store
from spacekey.resolvers.access.caller import MemberCaller
from spacekey.resolvers.accounts.erasure import erase_user
from spacekey.resolvers.accounts.sessions import change_password, end_session, own_sessions, sign_in
from spacekey.resolvers.accounts.users import create_user, own_account, prove_email, reset_password, update_account
from spacekey.resolvers.members.invitations import accept_invitation
from spacekey.resolvers.members.members import Invited, add_member
from spacekey.resolvers.passwords.hashing import (
    AT_ONCE,
    COMMAND_LINE,
    NETWORK_WAITING_MAX,
    STRANGERS_WAITING_MAX,
    Passwords,
    Turn,
)
from spacekey.resolvers.tokens.create import NewToken, create_token
from support.server import served
from support.snapshot import snapshot
from support.world import FACTS, OPERATOR, PASSWORD, World, make_world

# Passwords are hashed a few at a time: who waits, for how long, and who is turned away.


class SlowHasher(PasswordHasher):
    """Hashes when it is let, one at a time, and notes what came to be hashed, in the order in which it came."""

    def __init__(self) -> None:
        super().__init__(time_cost=1, memory_cost=8, parallelism=1)
        self.may = threading.Semaphore(0)
        self.hashed: list[str] = []
        self._came = threading.Condition()

    def hash(self, password: str | bytes, *, salt: bytes | None = None) -> str:
        with self._came:
            self.hashed.append(password.decode() if isinstance(password, bytes) else password)
            self._came.notify_all()
        assert self.may.acquire(timeout=60)
        return super().hash(password, salt=salt)

    async def came(self, count: int) -> None:
        """Wait until that many have come to be hashed."""

        def wait() -> bool:
            with self._came:
                return self._came.wait_for(lambda: len(self.hashed) >= count, timeout=60)

        assert await asyncio.to_thread(wait)


async def settled() -> None:
    """Let every task go as far as it can."""
    for _ in range(20):
        await asyncio.sleep(0)


async def ended(hasher: SlowHasher, tasks: list[asyncio.Task[str]]) -> list[str]:
    """What was hashed, in order; the tasks that were turned away are left out.

    One ends at a time, and the next only after a thread has begun with the one that got its turn: threads of
    different turns would otherwise overtake each other.
    """
    waiting = {task for task in tasks if not task.done()}
    total = len(waiting)
    for ended_already in range(total):
        await hasher.came(min(total, ended_already + AT_ONCE))
        hasher.may.release()
        _, waiting = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED, timeout=60)
        assert len(waiting) == total - ended_already - 1
    return hasher.hashed


def start(passwords: Passwords, name: str, turn: Turn) -> asyncio.Task[str]:
    return asyncio.get_running_loop().create_task(passwords.hash(name, turn))


async def test_a_crowd_of_strangers_is_turned_away_and_makes_no_one_wait_for_long() -> None:
    """200 from as many networks: the rest is told at once, and whoever signed in from here before comes next."""
    hasher = SlowHasher()
    passwords = Passwords(hasher)
    known = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1).hash("right")
    assert await passwords.matches(known, "right", Turn("192.0.2.0/24"))
    crowd = [start(passwords, f"stranger {number}", Turn(f"203.0.113.{number}")) for number in range(200)]
    await settled()
    refused = [task.exception() for task in crowd if task.done()]
    assert [type(error) for error in refused] == [ServiceUnavailable] * (200 - AT_ONCE - STRANGERS_WAITING_MAX)
    assert all(isinstance(error, ServiceUnavailable) and error.retry_after_seconds > 1 for error in refused)
    honest = [
        start(passwords, "a network that signed in before", Turn("192.0.2.0/24")),
        start(passwords, "a session", Turn("198.51.100.0/24", signed_in=True)),
    ]
    await settled()
    order = await ended(hasher, [*[one for one in crowd if not one.done()], *honest])
    assert set(order[AT_ONCE : AT_ONCE + 2]) == {"a network that signed in before", "a session"}
    assert len(order) == AT_ONCE + STRANGERS_WAITING_MAX + 2


async def test_a_wrong_password_makes_no_network_known() -> None:
    hasher = SlowHasher()
    passwords = Passwords(hasher)
    stored = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1).hash("right")
    assert not await passwords.matches(stored, "wrong", Turn("a"))
    blocking = [start(passwords, f"first {number}", Turn(f"n{number}")) for number in range(AT_ONCE)]
    await settled()
    waiting = [start(passwords, name, Turn(name)) for name in ("b", "a")]
    await settled()
    assert (await ended(hasher, [*blocking, *waiting]))[AT_ONCE:] == ["b", "a"]


async def test_networks_take_turns_and_each_has_its_bound() -> None:
    hasher = SlowHasher()
    passwords = Passwords(hasher)
    blocking = [start(passwords, f"first {number}", Turn(f"n{number}")) for number in range(AT_ONCE)]
    await settled()
    many = [start(passwords, f"many {number}", Turn("many")) for number in range(NETWORK_WAITING_MAX + 3)]
    one = start(passwords, "one", Turn("one"))
    await settled()
    assert [task.done() for task in many] == [False] * NETWORK_WAITING_MAX + [True] * 3
    order = await ended(hasher, [*blocking, *[task for task in many if not task.done()], one])
    assert order[AT_ONCE : AT_ONCE + 2] == ["many 0", "one"]


async def test_all_together_are_bounded_and_a_place_that_is_given_up_is_free_again() -> None:
    hasher = SlowHasher()
    passwords = Passwords(hasher, waiting_max=2)
    tasks = [start(passwords, str(number), Turn(str(number), signed_in=True)) for number in range(AT_ONCE + 2)]
    await settled()
    late = start(passwords, "late", Turn("late", signed_in=True))
    await settled()
    assert isinstance(late.exception(), ServiceUnavailable)
    tasks.pop().cancel()
    await settled()
    tasks.append(start(passwords, "in time", Turn("in time", signed_in=True)))
    await settled()
    assert not tasks[-1].done()
    order = await ended(hasher, tasks)
    assert sorted(order) == sorted([*map(str, range(AT_ONCE + 1)), "in time"])
    hasher.may.release()
    assert await start(passwords, "afterwards", Turn("x"))


async def test_who_is_cancelled_when_the_turn_has_come_passes_it_on() -> None:
    hasher = SlowHasher()
    passwords = Passwords(hasher)
    blocking = [start(passwords, f"first {number}", Turn(f"n{number}")) for number in range(AT_ONCE)]
    await settled()
    cancelled, next_one = start(passwords, "cancelled", Turn("a")), start(passwords, "next", Turn("b"))
    await settled()
    await hasher.came(AT_ONCE)
    # As if a turn ended and the one who waits were cancelled before it could take it.
    passwords._pass_on(lambda: None)
    cancelled.cancel()
    await settled()
    order = await ended(hasher, [*blocking, next_one])
    assert order[AT_ONCE:] == ["next"]
    assert cancelled.cancelled()
    for _ in range(AT_ONCE):
        hasher.may.release()
    await asyncio.gather(*(start(passwords, f"again {number}", Turn("c")) for number in range(AT_ONCE)))


async def test_a_sign_in_that_is_turned_away_is_answered_503_and_counts_as_no_guess(database_url: str) -> None:
    async with served(database_url) as server:
        await server.world.user("ada@example.com")
        hasher = SlowHasher()
        full = Passwords(hasher, waiting_max=0)
        blocking = [start(full, f"first {number}", Turn(f"n{number}")) for number in range(AT_ONCE)]
        await settled()
        open_passwords = server.parts.system.passwords
        object.__setattr__(server.parts.system, "passwords", full)
        query = "mutation($input: SignInInput!) { signIn(input: $input) { __typename } }"
        body = {"query": query, "variables": {"input": {"email": "ada@example.com", "password": PASSWORD}}}
        for _ in range(30):  # three times what an account may fail
            answer = await server.client.post("/graphql", json=body)
            assert (answer.status_code, answer.headers["retry-after"]) == (503, "2"), answer.text
            assert answer.json()["errors"][0]["extensions"]["code"] == "UNAVAILABLE"
            assert "set-cookie" not in answer.headers
        object.__setattr__(server.parts.system, "passwords", open_passwords)
        answer = await server.client.post("/graphql", json=body)
        assert answer.json()["data"] == {"signIn": {"__typename": "SignInSuccess"}}
        await ended(hasher, blocking)


# Passwords that are set and checked: what happens while they are hashed, and what is refused as one.


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


# Whose turn a password takes: nothing that came over a network takes the command line's.


ROOT = Path(resolvers.__file__ or "").parent.parent
FOLDERS = ("resolvers", "schema", "server")
OPERATORS = {create_user.__name__, reset_password.__name__}
"""The functions that take the command line's turn. Each can be called by the operator only, as its types say."""


def names_in(function: ast.FunctionDef | ast.AsyncFunctionDef) -> set[str]:
    return {one.id for one in ast.walk(function) if isinstance(one, ast.Name)}


def functions() -> list[tuple[str, ast.FunctionDef | ast.AsyncFunctionDef]]:
    """Every function of what serves requests and commands, with its file."""
    return [
        (file.relative_to(ROOT).as_posix(), node)
        for folder in FOLDERS
        for file in sorted((ROOT / folder).rglob("*.py"))
        for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    ]


@pytest.mark.parametrize("method", [Passwords.hash, Passwords.matches])
def test_whose_turn_it_is_must_be_said(method: object) -> None:
    assert callable(method)
    assert inspect.signature(method).parameters["turn"].default is inspect.Parameter.empty
    assert inspect.signature(Turn).parameters["network"].default is inspect.Parameter.empty


def test_the_command_lines_turn_is_taken_for_the_operator_alone() -> None:
    taking = [(file, one) for file, one in functions() if "COMMAND_LINE" in names_in(one)]
    assert {one.name for _, one in taking} == OPERATORS
    for file, one in taking:
        caller = next(argument for argument in one.args.args if argument.arg == "caller")
        assert caller.annotation is not None, file
        assert ast.unparse(caller.annotation) == "Operator", f"{file}: {one.name} can be called by others"


def test_every_other_turn_says_which_network_it_is_for() -> None:
    """``Turn(network_of(…))``, or with a name that was given that."""
    made = [
        (file, one.name, call)
        for file, one in functions()
        for call in ast.walk(one)
        if isinstance(call, ast.Call) and ast.unparse(call.func) == Turn.__name__
    ]
    assert made
    for file, name, call in made:
        said = ast.unparse(call.args[0]) if call.args else ""
        assert said == "network" or said.startswith(f"{network_of.__name__}("), f"{file}: {name}: {ast.unparse(call)}"


async def test_those_whose_network_is_not_known_share_one_bound_and_the_command_line_has_none() -> None:
    """A request over a Unix socket has no address."""
    passwords = Passwords(PasswordHasher(time_cost=1, memory_cost=8, parallelism=1))
    for turn, refused in ((Turn(network_of(""), signed_in=True), 3), (COMMAND_LINE, 0)):
        together = AT_ONCE + NETWORK_WAITING_MAX + 3
        answers = await asyncio.gather(
            *(passwords.hash("a password", turn) for _ in range(together)), return_exceptions=True
        )
        assert sum(isinstance(one, ServiceUnavailable) for one in answers) == refused, turn
