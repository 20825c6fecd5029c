"""The collector: whatever order notes, flushes and failures come in, every request is counted once."""

from __future__ import annotations

import asyncio
import logging
import tracemalloc
from collections import Counter
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from enum import Enum
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spacekey.domain.errors import ConfigurationError, ServiceUnavailable, SpacekeyError
from spacekey.domain.usage import TokenUse, UsageBatch
from spacekey.middleware.usage.collector import BATCH_ENTRIES_MAX, UsageCollector
from spacekey.middleware.usage.counts import ROW_SCOPES_MAX, SCOPES_TAKEN_MAX
from support.world import StoppedClock

CLIENT = ("192.0.2.7", 50_000)
READ = frozenset({"jobs:read"})


class Answer(Enum):
    """What a sink may do with a batch."""

    KEEP = "kept and said so"
    LOSE_ANSWER = "kept, and the answer was lost"
    FAIL = "not kept"


class Memory:
    """A sink as the store is one: a batch whose number is not new adds nothing."""

    def __init__(self, answers: Iterable[Answer] = ()) -> None:
        self.answers = list(answers)
        self.rows: list[TokenUse] = []
        self.sizes: list[int] = []
        self.numbers: dict[str, int] = {}
        self.closed = False

    async def send(self, batch: UsageBatch) -> None:
        await asyncio.sleep(0)
        answer = self.answers.pop(0) if self.answers else Answer.KEEP
        if answer is Answer.FAIL:
            raise ServiceUnavailable("no")
        if self.numbers.get(batch.reporter, 0) < batch.number:
            self.numbers[batch.reporter] = batch.number
            self.rows += batch.uses
            self.sizes.append(len(batch.uses))
        if answer is Answer.LOSE_ANSWER:
            raise ServiceUnavailable("who knows")

    async def aclose(self) -> None:
        self.closed = True

    @property
    def counts(self) -> Counter[tuple[str, datetime, str]]:
        """Requests by token, hour and kind."""
        found: Counter[tuple[str, datetime, str]] = Counter()
        for row in self.rows:
            hour = row.at.replace(minute=0, second=0, microsecond=0)
            for kind in ("allowed", "denied", "limited"):
                found[row.token_id, hour, kind] += getattr(row, kind)
        return +found


def collector(sink: Memory, clock: StoppedClock, **options: Any) -> UsageCollector:
    async def sleep(_seconds: float) -> None:
        await asyncio.Event().wait()  # flushes are the test's

    return UsageCollector(sink, now=clock, sleep=sleep, **options)


STEPS = st.lists(
    st.one_of(
        st.tuples(st.sampled_from(["allowed", "denied", "limited", "refused", "seen"]), st.sampled_from("abc")),
        st.tuples(st.just("forward"), st.integers(-30, 90)),
        st.tuples(st.just("flush"), st.sampled_from(Answer)),
        st.tuples(st.just("flush while noting"), st.sampled_from(Answer)),
        st.tuples(st.just("cancelled flush"), st.sampled_from(Answer)),
    ),
    max_size=60,
)


@given(STEPS)
def test_no_order_of_notes_and_failing_flushes_loses_or_doubles_anything(steps: list[tuple[str, object]]) -> None:
    asyncio.run(_play(steps))


async def _play(steps: list[tuple[str, object]]) -> None:
    sink, clock = Memory(), StoppedClock()
    usage = collector(sink, clock)
    wanted: Counter[tuple[str, datetime, str]] = Counter()
    last: dict[str, datetime] = {}

    def note(kind: str, token: str) -> None:
        if kind == "allowed":
            usage.allowed(token, CLIENT, READ)
        elif kind in ("denied", "limited"):
            getattr(usage, kind)(token, CLIENT)
        else:
            getattr(usage, kind)(token)
        if kind != "seen":
            hour = clock.now.replace(minute=0, second=0, microsecond=0)
            wanted[token, hour, "denied" if kind == "refused" else kind] += 1
        if kind != "refused":
            last[token] = max(last.get(token, clock.now), clock.now)

    for step, about in steps:
        if step == "forward":
            assert isinstance(about, int)
            clock.forward(minutes=about)
        elif isinstance(about, Answer):
            sink.answers = [about]
            flush = asyncio.create_task(usage.flush())
            await asyncio.sleep(0)
            if step == "flush while noting":
                note("allowed", "a")
            if step == "cancelled flush":
                flush.cancel()
            await asyncio.gather(flush, return_exceptions=True)
        else:
            note(step, str(about))
    sink.answers = []
    await usage.aclose()

    assert sink.counts == wanted
    assert (usage.lost, usage.waiting) == (0, 0)
    used = [row for row in sink.rows if row.used]
    # An hour's entry holds its latest note; a clock that was set back within the hour may hold an earlier one.
    assert {row.token_id for row in used} == set(last)
    assert all(row.at <= last[row.token_id] for row in used)


async def test_a_row_says_when_from_where_and_by_which_scopes() -> None:
    sink, clock = Memory(), StoppedClock()
    usage = collector(sink, clock)
    usage.allowed("a", ("192.0.2.1", 1), READ)
    clock.forward(seconds=1)
    usage.allowed("a", ("192.0.2.2", 1), frozenset({"jobs:read", "jobs:poll"}))
    usage.denied("a", ("192.0.2.3", 1))
    usage.limited("a", None)
    usage.refused("b")
    usage.seen("c")
    await usage.aclose()
    assert sorted(sink.rows, key=lambda row: row.token_id) == [
        TokenUse("a", clock.now, "", 2, 1, 1, ("jobs:poll", "jobs:read")),
        TokenUse("b", clock.now, "", denied=1, used=False),
        TokenUse("c", clock.now),
    ]
    assert sink.closed


async def test_a_dead_token_that_knocks_does_not_move_the_last_use_of_the_good_one_it_was() -> None:
    sink, clock = Memory(), StoppedClock()
    usage = collector(sink, clock)
    usage.allowed("a", CLIENT, READ)
    good = clock.now
    clock.forward(minutes=1)
    usage.refused("a")
    await usage.aclose()
    assert [(row.at, row.denied, row.used) for row in sink.rows] == [(good, 1, True)]


async def test_hours_stay_apart_however_long_the_sink_does_not_answer() -> None:
    sink, clock = Memory([Answer.FAIL] * 3), StoppedClock(datetime(2026, 6, 1, 12, 59, 59, tzinfo=UTC))
    usage = collector(sink, clock)
    for _ in range(3):
        usage.allowed("a", CLIENT, READ)
        await usage.flush()
        clock.forward(seconds=1)
    await usage.aclose()
    noon = datetime(2026, 6, 1, 12, tzinfo=UTC)
    assert sink.counts == {("a", noon, "allowed"): 1, ("a", noon + timedelta(hours=1), "allowed"): 2}


async def test_what_does_not_fit_is_counted_as_lost_and_nothing_else_suffers() -> None:
    sink, clock = Memory([Answer.FAIL]), StoppedClock()
    usage = collector(sink, clock, entries_max=2)
    for token in ("a", "b", "c", "a", "c"):
        usage.allowed(token, CLIENT, READ)
    usage.seen("d")
    assert (usage.waiting, usage.lost) == (2, 2)
    await usage.flush()
    usage.allowed("c", CLIENT, READ)
    await usage.aclose()
    assert {(token, count) for (token, _, _), count in sink.counts.items()} == {("a", 2), ("b", 1), ("c", 1)}
    assert usage.lost == 2


async def test_a_batch_is_bounded_by_tokens_and_by_scopes() -> None:
    sink, clock = Memory(), StoppedClock()
    usage = collector(sink, clock)
    many = BATCH_ENTRIES_MAX * 2 + 1
    for number in range(many):
        usage.allowed(f"key_{number}", CLIENT, READ)
    await usage.flush()
    assert sink.sizes == [BATCH_ENTRIES_MAX, BATCH_ENTRIES_MAX, 1]

    sink.sizes.clear()
    wide = frozenset(f"jobs:s{number}" for number in range(ROW_SCOPES_MAX * 2 + 1))
    for number in range(SCOPES_TAKEN_MAX // len(wide) + 2):
        usage.allowed(f"key_{number}", CLIENT, wide)
    rows_before = len(sink.rows)
    await usage.flush()
    rows = sink.rows[rows_before:]
    assert max(len(row.scopes) for row in rows) == ROW_SCOPES_MAX
    assert len(sink.sizes) > 1
    assert {scope for row in rows if row.token_id == "key_0" for scope in row.scopes} == wide
    assert sum(row.allowed for row in rows if row.token_id == "key_0") == 1


async def test_a_token_used_with_ever_other_scopes_together_takes_no_more_memory_and_forgets_none() -> None:
    """As when every GraphQL operation asks for other fields: of 20 scopes there are a million combinations."""
    sink, clock = Memory(), StoppedClock()
    usage = collector(sink, clock)
    usage.allowed("a", CLIENT, frozenset({"first"}))
    tracemalloc.start()
    try:
        for number in range(20_000):
            usage.allowed("a", CLIENT, frozenset(f"jobs:s{bit}" for bit in range(20) if number >> bit & 1))
        held_bytes, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert held_bytes < 1_000_000
    usage.allowed("a", CLIENT, frozenset({"last"}))
    await usage.aclose()
    (row,) = sink.rows
    assert row.allowed == 20_002
    assert set(row.scopes) == {"first", "last", *(f"jobs:s{bit}" for bit in range(15))}


async def test_a_batch_the_sink_never_takes_is_given_up_and_the_next_ones_go_on(
    caplog: pytest.LogCaptureFixture,
) -> None:
    class Picky(Memory):
        async def send(self, batch: UsageBatch) -> None:
            if batch.number == 1:
                raise SpacekeyError("never")
            await super().send(batch)

    sink, clock = Picky(), StoppedClock()
    usage = collector(sink, clock)
    usage.allowed("a", CLIENT, READ)
    usage.denied("a", CLIENT)
    with caplog.at_level(logging.ERROR, "spacekey.usage"):
        await usage.flush()
    usage.allowed("b", CLIENT, READ)
    await usage.aclose()
    assert usage.lost == 2
    assert "2 requests" in caplog.text
    assert [row.token_id for row in sink.rows] == ["b"]


async def test_the_first_note_starts_the_flushing_and_it_rests_when_nothing_waits() -> None:
    slept: list[float] = []
    wake = asyncio.Event()

    async def sleep(seconds: float) -> None:
        slept.append(seconds)
        await wake.wait()
        wake.clear()

    sink = Memory([Answer.FAIL])
    usage = UsageCollector(sink, flush_seconds=7.0, now=StoppedClock(), sleep=sleep)
    usage.allowed("a", CLIENT, READ)
    for expected in ([], ["a"]):  # the first flush fails, the second does not
        wake.set()
        await _settled()
        assert [row.token_id for row in sink.rows] == expected
    assert slept == [7.0, 7.0]

    usage.allowed("b", CLIENT, READ)
    await _settled()
    assert slept == [7.0, 7.0, 7.0]
    wake.set()
    await _settled()
    assert [row.token_id for row in sink.rows] == ["a", "b"]
    await usage.aclose()


async def test_closing_does_not_wait_for_ever_and_says_what_is_lost(caplog: pytest.LogCaptureFixture) -> None:
    class Hangs(Memory):
        async def send(self, batch: UsageBatch) -> None:
            await asyncio.Event().wait()

    sink = Hangs()
    usage = UsageCollector(sink, close_seconds=0.01, now=StoppedClock())
    usage.allowed("a", CLIENT, READ)
    with caplog.at_level(logging.ERROR, "spacekey.usage"):
        await usage.aclose()
    assert "lost" in caplog.text
    assert sink.closed


@pytest.mark.parametrize("name", ["flush_seconds", "close_seconds", "entries_max"])
def test_numbers_that_cannot_be_are_refused(name: str) -> None:
    wrong: dict[str, Any] = {name: 0}
    with pytest.raises(ConfigurationError, match=name):
        UsageCollector(Memory(), now=StoppedClock(), **wrong)


async def _settled() -> None:
    """Let every task go as far as it can by itself."""
    for _ in range(20):
        await asyncio.sleep(0)


def test_a_collector_outlives_the_event_loop_it_was_first_used_in() -> None:
    kept = Memory()
    collector = UsageCollector(kept, flush_seconds=3_600)

    async def noted() -> None:
        collector.allowed("key_1", CLIENT, READ)

    async def noted_and_closed() -> None:
        collector.allowed("key_1", CLIENT, READ)
        await collector.aclose()

    abandoned = asyncio.new_event_loop()
    abandoned.set_exception_handler(lambda _loop, _context: None)  # the task's end is no news here
    abandoned.run_until_complete(noted())
    abandoned.close()  # with the task that would have flushed still in it
    asyncio.run(noted_and_closed())
    assert sum(row.allowed for row in kept.rows) == 2


# --- the lag: the age of the oldest unsent note, never said to be younger than it is


class Sink:
    """Keeps or refuses as it is told, and lets something happen while a batch is on its way."""

    def __init__(self) -> None:
        self.down = False
        self.meanwhile: Callable[[], None] = lambda: None

    async def send(self, _batch: UsageBatch) -> None:
        self.meanwhile()
        if self.down:
            raise ServiceUnavailable("no")

    async def aclose(self) -> None:
        """Nothing to close."""


class Desk:
    """A collector in virtual time, and the true age of what it holds."""

    def __init__(self) -> None:
        self.now = 100.0
        self.sink = Sink()
        self.usage = UsageCollector(self.sink, clock=lambda: self.now, sleep=_for_ever)

    def note(self, count: int = 1) -> None:
        """So many tokens are used."""
        for number in range(count):
            self.usage.allowed(f"key_{number}", None)


async def _for_ever(_seconds: float) -> None:
    await asyncio.Event().wait()


async def test_the_oldest_note_ages_until_it_is_kept() -> None:
    desk = Desk()
    assert desk.usage.lag_seconds == 0
    desk.note()
    desk.now += 3
    desk.note(2)
    assert desk.usage.lag_seconds == 3
    await desk.usage.flush()
    assert (desk.usage.lag_seconds, desk.usage.waiting) == (0, 0)
    desk.now += 60
    assert desk.usage.lag_seconds == 0
    desk.note()
    desk.now += 1
    assert desk.usage.lag_seconds == 1


async def test_a_sink_that_does_not_answer_lets_it_grow() -> None:
    desk = Desk()
    desk.sink.down = True
    desk.note()
    for _ in range(3):
        desk.now += 5
        await desk.usage.flush()
        desk.note()
    assert desk.usage.lag_seconds == 15
    desk.sink.down = False
    await desk.usage.flush()
    assert desk.usage.lag_seconds == 0


async def test_what_is_noted_during_a_flush_is_as_old_as_itself() -> None:
    desk = Desk()
    desk.note()
    desk.now += 5
    desk.sink.meanwhile = desk.note  # every batch is answered by another note, so nothing is ever empty
    await desk.usage.flush()
    desk.now += 2
    assert desk.usage.waiting == 1
    assert desk.usage.lag_seconds == 2


async def test_what_no_batch_had_room_for_is_still_as_old_as_it_is() -> None:
    desk = Desk()
    desk.note(BATCH_ENTRIES_MAX + 1)
    desk.now += 5

    def fail_next() -> None:
        desk.sink.meanwhile = down

    def down() -> None:
        desk.sink.down = True

    desk.sink.meanwhile = fail_next
    await desk.usage.flush()
    assert desk.usage.waiting == 1
    assert desk.usage.lag_seconds == 5


async def test_a_batch_that_is_given_up_no_longer_waits(caplog: pytest.LogCaptureFixture) -> None:
    desk = Desk()

    def broken() -> None:
        raise ValueError("never")

    desk.sink.meanwhile = broken
    desk.note()
    desk.now += 5
    await desk.usage.flush()
    assert (desk.usage.lag_seconds, desk.usage.lost) == (0, 1)
    assert "lost" in caplog.text


@given(st.lists(st.one_of(st.integers(0, 20), st.sampled_from(["note", "flush", "fail"])), max_size=40))
def test_whatever_happens_the_lag_covers_everything_that_waits(steps: list[int | str]) -> None:
    async def run() -> None:
        desk = Desk()
        oldest: float | None = None
        for step in steps:
            if isinstance(step, int):
                desk.now += step
            elif step == "note":
                desk.note()
                oldest = desk.now if oldest is None else oldest
            else:
                desk.sink.down = step == "fail"
                await desk.usage.flush()
                oldest = oldest if desk.usage.waiting else None
            assert desk.usage.lag_seconds == (0.0 if oldest is None else desk.now - oldest)
        if desk.usage._task is not None:
            desk.usage._task.cancel()
            await asyncio.gather(desk.usage._task, return_exceptions=True)

    asyncio.run(run())
