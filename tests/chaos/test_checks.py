"""The checks of these tests find what they are there to find, and a seed says all of a plan."""

from __future__ import annotations

from itertools import islice
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlmodel import col

from spacekey.domain.clock import utc_now
from spacekey.models.engine.store import Store
from spacekey.models.tables.audit import AuditEvent
from spacekey.models.tables.token import Token
from spacekey.resolvers.tokens.create import Issued, NewToken, create_token
from spacekey.resolvers.tokens.revoke import revoke_token
from spacekey.resolvers.tokens.rotate import rotate_token
from support.databases import sqlite_database
from support.world import OPERATOR, StoppedClock, make_world

from .environment import Environment, Takeaway, Victim, Way
from .event_log import Entry, hold
from .plan import OF_POSTGRES, OF_PROCESSES, Kind, plan
from .shared_counters import Managed, SharedCounters, Used
from .verdict import Outcome, evaluate

pytestmark = pytest.mark.long

ANSWERED = 100.0


def outcome(folder: Path, last_accepted: float, answered: float = ANSWERED) -> Outcome:
    """One revocation, committed a second before it was answered, and one verifier that accepted until then."""
    takeaway = Takeaway(Way.REVOKE, "ws_1", None, (0,))
    environment = Environment("", 1.0, 1, (takeaway,), (Victim("key_1", "", "/jobs"),))
    managed, used = SharedCounters(folder / "managed", 1, Managed), SharedCounters(folder / "used", 1, Used)
    managed.put(0, Managed.BEGAN, 1.0)
    managed.put(0, Managed.COMMITTED, answered - 1.0)
    managed.put(0, Managed.ANSWERED, answered)
    used.put(0, Used.LAST_ACCEPTED, last_accepted)
    return evaluate(environment, managed, [used])


def test_a_use_begun_after_the_answer_and_accepted_is_a_violation(tmp_path: Path) -> None:
    late = outcome(tmp_path, ANSWERED + 0.001)
    assert [(one.way, one.token, one.verifier) for one in late.violations] == [(Way.REVOKE, "key_1", 0)]


def test_a_use_begun_before_the_answer_only_makes_the_staleness(tmp_path: Path) -> None:
    early = outcome(tmp_path, ANSWERED - 0.25)
    assert (early.violations, early.largest_staleness_seconds, early.tokens) == ((), 0.75, 1)


def test_a_takeaway_that_was_never_answered_is_not_counted(tmp_path: Path) -> None:
    unknown = outcome(tmp_path, ANSWERED, answered=0.0)
    assert (unknown.violations, unknown.tokens, unknown.unanswered) == ((), 0, 1)


def test_what_is_on_a_board_outlives_its_writer(tmp_path: Path) -> None:
    with SharedCounters(tmp_path / "counters", 3, Used) as written:
        written.add(2, Used.TRIED)
        written.add(2, Used.TRIED)
    with SharedCounters(tmp_path / "counters", 3, Used) as read:
        assert (read.get(2, Used.TRIED), read.total(Used.TRIED), read.total(Used.ACCEPTED)) == (2, 2, 0)


def test_a_seed_says_all_of_a_plan_and_every_round_holds_every_kind() -> None:
    rounds = 3 * len(OF_POSTGRES)
    first, again, other = (list(islice(plan(OF_POSTGRES, seed), rounds)) for seed in (7, 7, 8))
    assert first == again
    assert first != other
    assert {fault.kind for fault in first[: len(OF_POSTGRES)]} == set(OF_POSTGRES)
    assert {*OF_POSTGRES, *OF_PROCESSES} == set(Kind)


async def _three_tokens(store: Store) -> tuple[Issued, Issued, Issued]:
    world = make_world(store, clock=StoppedClock(utc_now()))
    workspace = await world.workspace("spooled", plan="enterprise")
    new = NewToken(workspace.id, "a token", ("jobs:read",))
    first, other = [await create_token(world.system, OPERATOR, new) for _ in range(2)]
    successor = await rotate_token(world.system, OPERATOR, first.view.token.id)
    await revoke_token(world.system, OPERATOR, other.view.token.id)
    return first, successor, other


def _told(what: str, issued: Issued) -> Entry:
    return {"what": what, "id": issued.view.token.id, "secret": issued.secret.reveal()}


@pytest.mark.parametrize(
    ("amiss", "found"),
    [
        ("nothing", set()),
        ("a lost revocation", {"lost", "unaudited"}),
        ("a revocation without its event", {"unaudited", "broken_chains"}),
        ("half a rotation", {"half"}),
        ("a token that is gone", {"lost", "unaudited", "wrong_verdicts"}),
    ],
)
async def test_the_event_log_finds_what_is_amiss(
    sqlite_template: Path, tmp_path: Path, amiss: str, found: set[str]
) -> None:
    url = sqlite_database(tmp_path, sqlite_template)
    store = Store(url)
    first, successor, revoked = await _three_tokens(store)
    async with store.changing() as session:
        connection = await session.connection()
        if amiss == "a lost revocation":
            await connection.execute(
                sa.update(Token).where(col(Token.id) == revoked.view.token.id).values(revoked_at=None)
            )
        elif amiss == "a revocation without its event":
            await connection.execute(sa.text("DROP TRIGGER IF EXISTS spacekey_audit_events_no_delete"))
            await connection.execute(sa.delete(AuditEvent).where(col(AuditEvent.action) == "token.revoke"))
        elif amiss == "half a rotation":
            await connection.execute(
                sa.update(Token).where(col(Token.id) == successor.view.token.id).values(rotated_from_id=None)
            )
        elif amiss == "a token that is gone":
            await connection.execute(sa.text("PRAGMA defer_foreign_keys=ON"))
            await connection.execute(
                sa.update(Token).where(col(Token.id) == first.view.token.id).values(rotated_to_id=None, retires_at=None)
            )
            await connection.execute(sa.delete(Token).where(col(Token.id) == successor.view.token.id))
    await store.aclose()
    told = [_told("issued", first), _told("rotated", first), _told("issued", successor), _told("revoked", revoked)]
    findings = await hold(url, told)
    assert {name for name in type(findings).__slots__ if getattr(findings, name)} == found
    assert findings.nothing == (amiss == "nothing")
