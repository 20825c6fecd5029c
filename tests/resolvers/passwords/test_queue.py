"""Passwords are hashed a few at a time: who waits, for how long, and who is turned away."""

from __future__ import annotations

import asyncio
import threading

from argon2 import PasswordHasher

from spacekey.domain.errors import ServiceUnavailable
from spacekey.resolvers.passwords.hashing import AT_ONCE, NETWORK_WAITING_MAX, STRANGERS_WAITING_MAX, Passwords, Turn
from support.server import served
from support.world import PASSWORD


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
