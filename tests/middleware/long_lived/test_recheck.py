"""The tokens of open connections verified again, on a virtual clock: which are ended when, and what that costs."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spacekey.domain.authentication import Authenticated, AuthenticationResult, Reason, Rejected, Unavailable
from spacekey.domain.errors import ConfigurationError
from spacekey.domain.principal import Kind, Principal
from spacekey.domain.secret import Secret
from spacekey.middleware.long_lived.recheck import (
    FORBIDDEN,
    UNAUTHORIZED,
    UNAVAILABLE,
    CloseReason,
    Credential,
    Rechecker,
    WatchedToken,
)
from support.virtual_time import VirtualLoop, in_virtual_time

START = datetime(2026, 1, 1, tzinfo=UTC)
T = 1.0
DEADLINE = 2.0
STEP = T / 16
SLACK = 1e-6


def principal(*scopes: str, expires_at: datetime | None = None) -> Principal:
    return Principal("key_1", Kind.SPACE, frozenset(scopes or ("a",)), space_id="s", expires_at=expires_at)


class Open:
    """A connection that goes on while the caller holds the scope ``a``."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.standing: WatchedToken | None = None
        self.ended: tuple[float, CloseReason, AuthenticationResult] | None = None
        self.unsure = False
        self.reviews = 0

    async def review(self, valid: Authenticated) -> CloseReason | None:
        self.reviews += 1
        if self.unsure:
            return UNAVAILABLE
        return None if "a" in valid.principal.scopes else FORBIDDEN

    def end(self, ending: CloseReason, outcome: AuthenticationResult) -> None:
        assert self.ended is None, "ended twice"
        self.ended = (self.world.now, ending, outcome)
        self.leave()

    def leave(self) -> None:
        if self.standing is not None:
            self.world.watch.leave(self, self.standing)

    def passes(self) -> bool:
        """Whether a message would pass at this moment."""
        return self.ended is None and self.standing is not None and self.standing.is_valid


@dataclass
class World:
    """A store whose answer the test changes, and the watch."""

    loop: VirtualLoop
    checks_max: int = 32
    answer: AuthenticationResult = field(default_factory=lambda: Authenticated(principal()))
    answers_after: float = 0.0
    asked_at: list[float] = field(default_factory=list)
    asking: int = 0
    asking_most: int = 0
    peeking: bool = False
    skipped: float = 0.0
    failures: int = 0

    def __post_init__(self) -> None:
        self.watch = Rechecker(
            T,
            timeout=DEADLINE,
            checks_max=self.checks_max,
            clock=lambda: self.now,
            now=lambda: START + timedelta(seconds=self.now),
        )

    @property
    def now(self) -> float:
        return self.loop.time() + self.skipped

    def wall(self, seconds: float) -> datetime:
        """The time of day at a reading of the clock."""
        return START + timedelta(seconds=seconds)

    async def ask(self) -> AuthenticationResult:
        self.asked_at.append(self.now)
        answer = self.answer
        if self.failures:
            self.failures -= 1
            answer = Unavailable("a hiccup")
        self.asking += 1
        self.asking_most = max(self.asking, self.asking_most)
        try:
            async with asyncio.timeout(DEADLINE):
                await asyncio.sleep(self.answers_after)
        except TimeoutError:
            return Unavailable("late")
        finally:
            self.asking -= 1
        return answer

    def peek(self) -> AuthenticationResult | None:
        if self.peeking:
            self.asked_at.append(self.now)
        return self.answer if self.peeking else None

    def open(self, key: object = "one", who: Principal | None = None) -> Open:
        connection = Open(self)
        shown = Credential(key, self.ask, self.peek, who or principal())
        connection.standing = self.watch.follow(connection, shown)
        return connection


Test = Callable[[World], Coroutine[Any, Any, None]]


def virtually(test: Test) -> Callable[[], None]:
    """Run a test in virtual time; nothing is left running afterwards."""

    async def run(loop: VirtualLoop) -> None:
        await test(World(loop))

    def wrapper() -> None:
        in_virtual_time(run)

    wrapper.__name__ = test.__name__
    wrapper.__doc__ = test.__doc__
    return wrapper


def how(connection: Open) -> CloseReason | None:
    return None if connection.ended is None else connection.ended[1]


@virtually
async def test_a_good_credential_stays_open_and_is_asked_about_within_every_t(world: World) -> None:
    connection = world.open()
    began = world.now
    for _ in range(10_000):
        await asyncio.sleep(0.01)
        assert connection.passes()
    gaps = [b - a for a, b in zip([began, *world.asked_at], world.asked_at, strict=False)]
    assert min(gaps) >= T / 2 - SLACK
    assert max(gaps) <= 0.75 * T + STEP + SLACK


ENDS: list[tuple[AuthenticationResult, CloseReason]] = [
    (Rejected(Reason.REVOKED), UNAUTHORIZED),
    (Authenticated(principal("b")), FORBIDDEN),
    (Unavailable("down"), UNAVAILABLE),
]


@pytest.mark.parametrize(("answer", "ending"), ENDS)
@pytest.mark.parametrize("after", [0.0, 0.3, 0.51, 0.99, 7.77])
@pytest.mark.parametrize("peeking", [False, True])
def test_nothing_passes_t_after_access_was_taken_away_and_the_connection_is_ended(
    answer: AuthenticationResult, ending: CloseReason, after: float, peeking: bool
) -> None:
    async def test(loop: VirtualLoop) -> None:
        world = World(loop, peeking=peeking)
        connection = world.open()
        await asyncio.sleep(after)
        world.answer = answer
        taken = world.now
        while connection.ended is None:
            assert world.now < taken + T or not connection.passes()
            await asyncio.sleep(0.005)
        at, how_it_ended, outcome = connection.ended
        assert how_it_ended is ending
        assert outcome == answer
        assert at <= taken + T + STEP + SLACK

    in_virtual_time(test)


@virtually
async def test_one_failed_read_ends_nothing_while_the_last_good_answer_is_younger_than_t(world: World) -> None:
    connection = world.open()
    for _ in range(50):
        world.failures = 2
        await asyncio.sleep(2.3)
        assert world.failures == 0
        assert connection.passes()


@virtually
async def test_an_outage_ends_the_connection_exactly_when_the_last_good_answer_is_t_old(world: World) -> None:
    connection = world.open()
    await asyncio.sleep(3.0)
    last_good = world.asked_at[-1]
    world.answer = Unavailable("down")
    await asyncio.sleep(2 * T)
    assert connection.ended is not None
    assert last_good + T <= connection.ended[0] <= last_good + T + STEP + SLACK
    assert how(connection) is UNAVAILABLE


@virtually
async def test_a_verifier_that_hangs_lets_nothing_pass_after_t_and_ends_the_connection_by_its_deadline(
    world: World,
) -> None:
    connection = world.open()
    await asyncio.sleep(3.0)
    last_good = world.asked_at[-1]
    world.answers_after = 3_600.0
    while connection.ended is None:
        assert connection.passes() == (world.now < last_good + T)
        await asyncio.sleep(0.001)
    assert connection.ended[0] <= last_good + T + DEADLINE + STEP + SLACK
    assert how(connection) is UNAVAILABLE


@virtually
async def test_a_verification_slower_than_t_is_no_answer(world: World) -> None:
    world.answers_after = T * 1.01
    connection = world.open()
    await asyncio.sleep(5.0)
    assert how(connection) is UNAVAILABLE


@virtually
async def test_a_slow_verifier_holds_messages_and_lets_them_pass_when_it_has_answered(world: World) -> None:
    connection = world.open()
    world.answers_after = 0.9 * T
    held = 0
    for _ in range(1_000):
        await asyncio.sleep(0.01)
        held += not connection.passes()
    assert connection.ended is None
    assert held > 0


@virtually
async def test_an_expiry_date_ends_the_connection_at_its_moment_without_asking(world: World) -> None:
    moment = world.now + 100.3
    connection = world.open(who=principal(expires_at=world.wall(moment)))
    world.answer = Authenticated(principal(expires_at=world.wall(moment)))
    while connection.ended is None:
        assert connection.passes() == (world.now < moment)
        await asyncio.sleep(0.01)
    assert moment <= connection.ended[0] <= moment + STEP + SLACK
    assert connection.ended[1:] == (UNAUTHORIZED, Rejected(Reason.EXPIRED, "key_1"))
    assert max(world.asked_at) < moment


@virtually
async def test_an_expiry_date_that_is_moved_counts_from_the_next_answer(world: World) -> None:
    connection = world.open(who=principal(expires_at=world.wall(world.now + 5)))
    world.answer = Authenticated(principal())
    await asyncio.sleep(10.0)
    assert connection.passes()


@virtually
async def test_connections_of_one_credential_are_asked_about_once(world: World) -> None:
    connections = [world.open() for _ in range(1_000)]
    await asyncio.sleep(10.0)
    assert len(world.asked_at) <= 10.0 / (T / 2)
    world.answer = Rejected(Reason.REVOKED)
    await asyncio.sleep(T)
    assert all(how(each) is UNAUTHORIZED for each in connections)
    assert world.watch.watched == 0


@virtually
async def test_ten_thousand_credentials_have_one_timer_no_stampede_and_bounded_concurrency(world: World) -> None:
    world.answers_after = 0.0005
    for number in range(10_000):
        world.open(number)
    timers = [each for each in world.loop._scheduled if not each.cancelled()]  # type: ignore[attr-defined]
    assert len(timers) == 1
    assert len(asyncio.all_tasks()) == 1
    began = world.now
    await asyncio.sleep(T)
    assert world.watch.watched == 10_000
    assert world.asking_most <= 32
    first = [at for at in world.asked_at if at <= began + 0.75 * T + STEP]
    for part in range(16):
        window = [at for at in first if began + part * STEP < at <= began + (part + 1) * STEP + SLACK]
        assert len(window) <= 3_000


@virtually
async def test_a_hanging_verifier_ends_ten_thousand_connections_in_time(world: World) -> None:
    connections = [world.open(number) for number in range(10_000)]
    world.answers_after = 3_600.0
    began = world.now
    await asyncio.sleep(T + DEADLINE + 2 * STEP)
    assert all(each.ended is not None and each.ended[0] <= began + T + DEADLINE + 2 * STEP for each in connections)
    assert world.asking_most <= 32


@virtually
async def test_the_timer_and_the_tasks_live_only_while_somebody_is_watched(world: World) -> None:
    def timers() -> int:
        return len([each for each in world.loop._scheduled if not each.cancelled()])  # type: ignore[attr-defined]

    assert timers() == 0
    one, two = world.open("one"), world.open("two")
    world.answers_after = 1.0
    await asyncio.sleep(0.9)
    assert len(asyncio.all_tasks()) > 1
    one.leave()
    one.leave()
    assert timers() > 0
    two.leave()
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert (timers(), len(asyncio.all_tasks()), world.watch.watched) == (0, 1, 0)
    three = world.open("one")
    world.answers_after = 0.0
    await asyncio.sleep(5.0)
    assert three.passes()


@virtually
async def test_a_connection_that_has_left_is_not_ended(world: World) -> None:
    staying, leaving = world.open(), world.open()
    leaving.leave()
    world.answer = Rejected(Reason.REVOKED)
    await asyncio.sleep(T)
    assert how(staying) is UNAUTHORIZED
    assert leaving.ended is None


@virtually
async def test_a_connection_about_which_nobody_can_tell_is_like_an_outage(world: World) -> None:
    connection, other = world.open("one"), world.open("two")
    await asyncio.sleep(3.0)
    connection.unsure = True
    await asyncio.sleep(0.2)
    assert connection.passes()
    await asyncio.sleep(T + STEP)
    assert (how(connection), how(other)) == (UNAVAILABLE, None)


@virtually
async def test_after_a_stall_nothing_passes_before_a_new_answer_and_nothing_is_ended_for_it(world: World) -> None:
    connection = world.open()
    await asyncio.sleep(3.3)
    world.loop.stall(60.0)
    assert not connection.passes()
    assert connection.standing is not None
    await world.watch.wait_until_valid(connection.standing)
    assert connection.passes()
    assert world.asked_at[-1] >= world.now - SLACK


@virtually
async def test_a_clock_ahead_of_the_timers_holds_only_until_somebody_asks(world: World) -> None:
    """A machine that was suspended: the clock has counted the night, the event loop's timers have not."""
    connection = world.open()
    await asyncio.sleep(0.1)
    before = world.loop.time()
    world.skipped += 28_800.0
    assert connection.standing is not None
    await asyncio.gather(*(world.watch.wait_until_valid(connection.standing) for _ in range(5)))
    assert connection.passes()
    assert world.loop.time() - before < STEP


@virtually
async def test_who_is_held_when_the_connection_ends_is_let_go(world: World) -> None:
    connection = world.open()
    world.answer = Rejected(Reason.REVOKED)
    world.loop.stall(60.0)
    assert connection.standing is not None
    await world.watch.wait_until_valid(connection.standing)
    assert how(connection) is UNAUTHORIZED


class Plain:
    """A connection without a world."""

    def __init__(self, watch: Rechecker, credential: Credential) -> None:
        self.watch = watch
        self.standing = watch.follow(self, credential)
        self.ending: CloseReason | None = None

    async def review(self, valid: Authenticated) -> CloseReason | None:
        raise NotImplementedError

    def end(self, ending: CloseReason, outcome: AuthenticationResult) -> None:
        self.ending = ending
        self.watch.leave(self, self.standing)


class Many:
    """A verifier of many at once over the world's answers, some of which can be changed alone."""

    def __init__(self, world: World, batch_max: int = 1_000) -> None:
        self.world = world
        self.batch_max = batch_max
        self.answers: dict[Secret, AuthenticationResult] = {}
        self.batches: list[int] = []
        self.last_asked: dict[Secret, float] = {}
        self.answered_valid_at: dict[Secret, float] = {}

    async def authenticate_many(self, secrets: Sequence[Secret]) -> Sequence[AuthenticationResult]:
        """See :class:`~spacekey.middleware.long_lived.recheck.Group`."""
        self.batches.append(len(secrets))
        asked = self.world.now
        outcomes = [self.answers.get(secret, self.world.answer) for secret in secrets]
        try:
            async with asyncio.timeout(DEADLINE):
                await asyncio.sleep(self.world.answers_after)
        except TimeoutError:
            return [Unavailable("late")] * len(secrets)
        for secret, outcome in zip(secrets, outcomes, strict=True):
            if isinstance(outcome, Authenticated):
                self.answered_valid_at[secret] = asked
        return outcomes

    def open(
        self, number: int, *, secret: Secret | None = None, who: Principal | None = None, asked: float | None = None
    ) -> tuple[Open, Secret]:
        """Open a connection with a secret of its own, admitted on a verdict that was asked for at this moment."""
        connection, secret = Open(self.world), secret or Secret(f"sk_live_{number}")
        credential = Credential(
            secret.digest(), self.world.ask, self.world.peek, who or principal(), secret, self, asked
        )
        connection.standing = self.world.watch.follow(connection, credential)
        return connection, secret


@pytest.mark.long
@virtually
async def test_ten_thousand_idle_credentials_are_verified_in_full_batches_and_by_nothing_else(world: World) -> None:
    many = Many(world)
    opened = [many.open(number)[0] for number in range(10_000)]
    await asyncio.sleep(10 * T)
    assert world.watch.watched == 10_000
    assert world.asked_at == []
    assert {connection.reviews for connection in opened} == {1}  # an unchanged verdict decides nothing new
    rounds = 10 / 0.625
    assert sum(many.batches) <= 10_000 * rounds
    assert len(many.batches) <= rounds * (10 + 6)  # full ones, and the rest of each step


@virtually
async def test_one_of_a_batch_that_is_refused_or_cannot_be_told_ends_alone(world: World) -> None:
    many = Many(world)
    opened = [many.open(number) for number in range(100)]
    many.answers[opened[7][1]] = Rejected(Reason.REVOKED)
    many.answers[opened[8][1]] = Authenticated(principal("b"))
    many.answers[opened[9][1]] = Unavailable("locked")
    await asyncio.sleep(T + 2 * STEP)
    assert [how(opened[number][0]) for number in (6, 7, 8, 9, 10)] == [None, UNAUTHORIZED, FORBIDDEN, UNAVAILABLE, None]
    assert world.watch.watched == 97


@virtually
async def test_a_connection_that_joins_under_another_verdict_is_reviewed_though_nothing_changes(world: World) -> None:
    many = Many(world)
    first, secret = many.open(1)
    await asyncio.sleep(3 * T)
    late = Open(world)
    stale = Credential(secret.digest(), world.ask, world.peek, principal("a", "more"), secret, many)
    reviewed: list[Authenticated] = []

    async def review(valid: Authenticated) -> CloseReason | None:
        reviewed.append(valid)
        return FORBIDDEN

    late.review = review  # type: ignore[method-assign]
    late.standing = world.watch.follow(late, stale)
    await asyncio.sleep(T)
    assert (how(first), how(late)) == (None, FORBIDDEN)
    assert reviewed == [Authenticated(principal())]


@virtually
async def test_a_connection_that_begins_on_an_older_verdict_waits_for_a_new_one(world: World) -> None:
    many = Many(world)
    fresh, _ = many.open(1, asked=world.now - 0.4 * T)
    stale, secret = many.open(2, asked=world.now - 15 * T)
    assert (fresh.passes(), stale.passes()) == (True, False)
    await asyncio.sleep(2 * STEP)
    assert stale.passes()
    # Under another principal than what is known since, which is newer: neither goes on before both were reviewed.
    joined, _ = many.open(2, secret=secret, who=principal("a", "more"), asked=world.now - 15 * T)
    assert (joined.passes(), stale.passes()) == (False, False)
    await asyncio.sleep(2 * STEP)
    assert joined.reviews == 1
    assert (joined.passes(), stale.passes()) == (True, True)


@virtually
async def test_a_connection_about_which_more_than_the_verdict_decides_is_reviewed_every_time(world: World) -> None:
    many = Many(world)
    connection, _ = many.open(1)
    await asyncio.sleep(3 * T)
    assert connection.standing is not None
    connection.standing.review_always = True
    connection.unsure = True
    await asyncio.sleep(2 * T)
    assert how(connection) is UNAVAILABLE


STREAMS = st.lists(
    st.tuples(
        st.sampled_from(["open", "open", "join", "late", "leave", "revoke", "slow", "quick", "down", "up", "stall"]),
        st.integers(0, 40),
        st.floats(0.0, 0.7),
    ),
    max_size=40,
)


@settings(max_examples=100, deadline=None)
@given(STREAMS, st.integers(2, 7))
def test_a_revoked_stream_of_a_batch_is_held_after_t_and_closed_in_time_whatever_the_others_do(
    story: list[tuple[str, int, float]], batch_max: int
) -> None:
    async def test(loop: VirtualLoop) -> None:
        world = World(loop)
        many = Many(world, batch_max)
        opened: list[tuple[float, Open, Secret]] = []
        revoked: dict[Secret, float] = {}
        stalled = 0.0

        def look() -> None:
            for began, connection, secret in opened:
                if not connection.passes():
                    continue
                assert world.now < max(began, many.answered_valid_at.get(secret, 0.0)) + T
                if secret in revoked and began < revoked[secret]:
                    assert world.now < revoked[secret] + T

        for what, number, seconds in story:
            match what:
                case "open":
                    opened += [(world.now, *many.open(len(opened) * 100 + each)) for each in range(number % 12)]
                case "join" if opened:
                    secret = opened[number % len(opened)][2]
                    if secret not in revoked:
                        opened.append((world.now, many.open(0, secret=secret)[0], secret))
                case "late" if opened:
                    # A stream or WebSocket that begins long after the verdict on which it was admitted.
                    secret, asked = opened[number % len(opened)][2], world.now - number / 10
                    if asked < revoked.get(secret, world.now):
                        opened.append((asked, many.open(0, secret=secret, asked=asked)[0], secret))
                case "leave" if opened:
                    opened.pop(number % len(opened))[1].leave()
                case "revoke" if opened:
                    secret = opened[number % len(opened)][2]
                    many.answers[secret] = Rejected(Reason.REVOKED)
                    revoked.setdefault(secret, world.now)
                case "slow" | "quick":
                    world.answers_after = 0.6 if what == "slow" else 0.0
                case "down" | "up":
                    world.answer = Unavailable("down") if what == "down" else Authenticated(principal())
                case "stall":
                    loop.stall(seconds)
                    stalled = world.now
            until = world.now + seconds
            while world.now < until:
                await asyncio.sleep(min(0.02, until - world.now))
                look()
                for _, connection, secret in opened:
                    if connection.ended is None and secret in revoked:
                        assert world.now <= max(revoked[secret], stalled) + T + DEADLINE + 2 * STEP
        world.answer, world.answers_after = Rejected(Reason.REVOKED), 0.0
        await asyncio.sleep(T + DEADLINE)
        assert all(connection.ended is not None for _, connection, _ in opened)
        assert world.watch.watched == 0

    in_virtual_time(test)


def test_each_event_loop_has_its_own_timer() -> None:
    watch = Rechecker(T)

    async def refused() -> AuthenticationResult:
        return Rejected(Reason.REVOKED)

    async def test(loop: VirtualLoop) -> CloseReason | None:
        watch.clock = loop.time
        connection = Plain(watch, Credential("k", refused, lambda: None, principal()))
        await asyncio.sleep(T)
        return connection.ending

    assert [in_virtual_time(test) for _ in range(3)] == [UNAUTHORIZED] * 3
    assert watch.watched == 0


@pytest.mark.parametrize("bad", [{"recheck_seconds": 0}, {"timeout": -1}, {"checks_max": 0}])
def test_numbers_that_make_no_sense_are_refused(bad: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError):
        Rechecker(**bad)


STORIES = st.lists(
    st.tuples(
        st.sampled_from(["good", "down", "hang", "slow", "open", "leave", "stall", "peek"]),
        st.floats(0.0, 3.0),
    ),
    max_size=25,
)


@pytest.mark.long
@settings(max_examples=150, deadline=None)
@given(STORIES, st.sampled_from([each for each, _ in ENDS]))
def test_whatever_happens_nothing_passes_on_an_answer_older_than_t(
    story: list[tuple[str, float]], last: AuthenticationResult
) -> None:
    async def test(loop: VirtualLoop) -> None:
        world = World(loop)
        connections: list[tuple[float, Open]] = [(world.now, world.open())]
        good: list[float] = []

        def look() -> None:
            for opened, connection in connections:
                if connection.passes():
                    asked = [at for at in good if at <= world.now]
                    assert world.now < max([opened, *asked]) + T

        async def spend(seconds: float) -> None:
            until = world.now + seconds
            while world.now < until:
                before = len(world.asked_at)
                was_good = isinstance(world.answer, Authenticated)
                await asyncio.sleep(min(0.02, until - world.now))
                good.extend(world.asked_at[before:] if was_good else ())
                look()

        for what, seconds in story:
            match what:
                case "good" | "down" | "slow" | "hang":
                    world.answer = Unavailable("down") if what == "down" else Authenticated(principal())
                    world.answers_after = {"slow": 0.8, "hang": 100.0}.get(what, 0.0)
                case "open":
                    connections.append((world.now, world.open(len(connections) % 3)))
                case "leave":
                    connections.pop(0)[1].leave() if connections else None
                case "stall":
                    loop.stall(seconds)
                    look()
                case "peek":
                    world.peeking = not world.peeking
            await spend(seconds)
        world.answer, world.answers_after = last, 0.0
        await asyncio.sleep(T + 2 * DEADLINE)
        for _, connection in connections:
            assert connection.ended is not None
        assert world.watch.watched == 0

    in_virtual_time(test)
