"""What several processes share: exactly the budget passes, however many of them ask, and a killed one holds nothing."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import pytest

from spacekey.domain.principal import Limit
from spacekey.server.shared_memory import SETS, WAYS, SharedMemory, SharedRemembered, SharedTable, SharedWork

PROCESSES = 4
TRIES = 4_000
"""Of each process: enough that all of them are at it at the same time."""
BEFORE = """
import sys
from datetime import UTC, datetime
from spacekey.domain.principal import Limit
from spacekey.domain.refusal import TooManyAttempts
from spacekey.resolvers.throttle import Attempts
from spacekey.server.shared_memory import *
memory = SharedMemory(int(sys.argv[1]))
print("ready", flush=True)
sys.stdin.readline()
"""
ATTEMPTS = """
attempts = Attempts(burst=6_000, arrivals=SharedArrivals(memory.table("attempts")))
now, passed = datetime(2030, 1, 1, tzinfo=UTC), 0
for number in range(TRIES):
    try:
        attempts.count(now, {"account": 1.0, f"network {number % 3}": 0.01})
        passed += 1
    except TooManyAttempts:
        pass
print(passed)
"""
LIMITS = """
limiter = SharedLimiter(memory.table("limits"), clock=lambda: 1_000.0)
print(sum(limiter.charge_at_once("token", Limit(60, 12_000)).allowed for _ in range(TRIES)))
"""
WORK = """
work = SharedWork(memory.table("anonymous work"), Limit(60_000, 100_000), clock=lambda: 1_000.0)
for _ in range(TRIES):
    work.charge("network", 1.0)
print(0)
"""
HOLDING = """
taken = [memory.places.take("hashing", 2) for _ in range(2)]
print(sum(one is not None for one in taken), flush=True)
sys.stdin.readline()
"""


@contextmanager
def processes(memory: SharedMemory, program: str, count: int = PROCESSES) -> Iterator[list[subprocess.Popen[str]]]:
    """Processes that share the memory and begin with the program at the same moment."""
    command = [sys.executable, "-c", BEFORE + f"TRIES = {TRIES}\n" + program, str(memory.descriptor)]
    with ExitStack() as stack:
        started = []
        for _ in range(count):
            process = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, pass_fds=(memory.descriptor,)
            )
            stack.enter_context(process)
            stack.callback(process.kill)
            started.append(process)
        for process in started:
            assert said(process) == "ready"
        for process in started:
            assert process.stdin is not None
            process.stdin.write("go\n")
            process.stdin.flush()
        yield started


def said(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


@pytest.fixture
def memory() -> Iterator[SharedMemory]:
    made = SharedMemory.create()
    yield made
    os.close(made.descriptor)


@pytest.mark.parametrize(("program", "budget"), [(ATTEMPTS, 6_000), (LIMITS, 12_000)])
def test_exactly_the_budget_passes(memory: SharedMemory, program: str, budget: int) -> None:
    with processes(memory, program) as started:
        passed = [int(said(one)) for one in started]
    assert sum(passed) == budget, passed


def test_no_charge_for_work_is_lost(memory: SharedMemory) -> None:
    limit = Limit(60_000, 100_000)  # a unit a millisecond
    with processes(memory, WORK) as started:
        assert [said(one) for one in started] == ["0"] * PROCESSES
    now = SharedWork(memory.table("anonymous work"), limit, clock=lambda: 1_000.0)
    used = PROCESSES * TRIES
    assert now.wait_seconds("network", 100_000 - used) == 0.0
    assert now.wait_seconds("network", 100_000 - used + 1) == pytest.approx(0.001)
    assert now.wait_seconds("another network", 100_000) == 0.0


def test_a_killed_process_gives_its_places_back(memory: SharedMemory) -> None:
    with processes(memory, HOLDING, 1) as (first,):
        assert said(first) == "2"
        assert memory.places.take("hashing", 2) is None
        assert memory.places.take("something else", 1) is not None
        first.send_signal(signal.SIGKILL)
        first.wait()
        taken = [memory.places.take("hashing", 2) for _ in range(3)]
    assert [one is not None for one in taken] == [True, True, False]
    assert taken[0] is not None
    taken[0]()
    assert memory.places.take("hashing", 2) is not None


def test_a_full_set_shares_one_number_and_forgets_none_that_has_an_effect(memory: SharedMemory) -> None:
    table = memory.table("limits")
    keys = [bytes(4) + number.to_bytes(12, "big") for number in range(1, WAYS + 3)]  # of one set
    for number, key in enumerate(keys[:WAYS]):
        table.write(key, 100 + number, now=50)
    table.write(keys[WAYS], 900, now=50)
    assert [table.read(key) for key in keys] == [*range(100, 100 + WAYS), 900, 900]
    table.write(keys[WAYS], 950, now=101)  # two are past by now and make room
    assert [table.read(key) for key in keys[1:]] == [*range(101, 100 + WAYS), 950, 900]
    table.write(keys[WAYS + 1], 0, now=50)
    assert table.read(keys[WAYS + 1]) == 900, "who shares a number with others does not take theirs back"
    table.write(keys[WAYS + 1], 990, now=50, evict=True)
    assert table.read(keys[1]) == 900, "the smallest made room, and has what all others have"


def test_which_keys_share_a_set_cannot_be_known_before_the_server_starts(memory: SharedMemory) -> None:
    another = SharedMemory.create()
    try:
        assert memory.table("attempts").digest("ada") != another.table("attempts").digest("ada")
        again = SharedMemory(os.dup(memory.descriptor))
        assert memory.table("attempts").digest("ada") == again.table("limits").digest("ada")
    finally:
        os.close(another.descriptor)


def test_tables_do_not_touch(memory: SharedMemory) -> None:
    key = (SETS - 1).to_bytes(4, "big") + bytes(11) + b"\x01"
    first, second = memory.table("attempts"), memory.table("limits")
    first.write(key, 7, now=0)
    second.write(bytes(15) + b"\x01", 8, now=0)
    assert (first.read(key), second.read(key), second.read(bytes(15) + b"\x01")) == (7, 0, 8)
    assert isinstance(first, SharedTable)


def test_remembered_items_are_forgotten_when_discarded_or_old(memory: SharedMemory) -> None:
    now = [1_000.0]
    remembered = SharedRemembered(memory.table("good tokens"), clock=lambda: now[0])
    remembered.add(b"one")
    assert b"one" in remembered
    assert b"two" not in remembered
    remembered.discard(b"one")
    assert b"one" not in remembered
    remembered.add(b"one")
    now[0] += 31 * 86_400
    assert b"one" not in remembered
