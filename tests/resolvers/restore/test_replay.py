"""After a restore, everything that was taken away since the backup is taken away again, and nothing is given."""

from __future__ import annotations

import asyncio
import json
import secrets
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from spacekey.domain.authentication import Authenticated
from spacekey.domain.ids import EVENT, new_id
from spacekey.domain.refusal import SignInFailed
from spacekey.domain.secret import Secret
from spacekey.models.engine.store import Store
from spacekey.models.tables.audit import SYSTEM_CHAIN, AuditEvent
from spacekey.models.tables.workspace import Workspace
from spacekey.resolvers.accounts.sessions import change_password, sign_in
from spacekey.resolvers.audit.chains import audit_heads, verify_chains, write_checkpoints
from spacekey.resolvers.audit.log import ACTIONS, actor_digest, event_facts, event_hash, target_digest
from spacekey.resolvers.restore.exports import UnreadableExport
from spacekey.resolvers.restore.replay import rehearse_exports, replay_exports
from spacekey.resolvers.restore.report import ENDS, LOST, UNVERIFIED, RestoreReport
from spacekey.resolvers.restore.taken import NOT_REPLAYED, REPLAYED
from spacekey.resolvers.tokens.create import NewToken, create_token
from spacekey.resolvers.tokens.revoke import disable_token, enable_token, revoke_token
from spacekey.resolvers.tokens.update import TokenChanges, update_token
from spacekey.resolvers.workspaces.workspaces import WorkspaceChanges, update_workspace
from spacekey.server.build import build_verifier
from support.credentials import NEW_PASSWORD, Home, access, filled, take_away
from support.postgres import PostgresServer
from support.restored import back_up, export_of, restored
from support.snapshot import snapshot
from support.triggers import without_triggers
from support.world import FACTS, OPERATOR, PASSWORD, World, make_world


@pytest.fixture
def server(request: pytest.FixtureRequest) -> Callable[[], PostgresServer]:
    """The PostgreSQL server, which is started only if the test needs it."""
    return lambda: request.getfixturevalue("postgres")


@asynccontextmanager
async def again(store: Store, backup: Path, server: Callable[[], PostgresServer], world: World) -> AsyncIterator[World]:
    """A world on a database restored from the backup, at the same time of day."""
    with restored(store.dialect, backup, server) as url:
        other = Store(url)
        try:
            yield make_world(other, clock=world.clock)
        finally:
            await other.aclose()


def by_result(report: RestoreReport, result: str) -> set[tuple[str, str]]:
    return {(one.what, one.id) for one in report.findings[result]}


async def test_everything_that_was_taken_away_is_taken_away_again(
    store: Store, tmp_path: Path, server: Callable[[], PostgresServer]
) -> None:
    world = make_world(store)
    home = await filled(world)
    backup = back_up(store, tmp_path / "backup", server)
    world.clock.forward(minutes=1)
    await take_away(home)
    await write_checkpoints(world.system)
    lines = await export_of(world.system)
    world.clock.forward(minutes=1)
    original = await access(home, world)
    async with again(store, backup, server, world) as then:
        before = await access(home, then)
        rows = await snapshot(then.system.store)
        rehearsed = await rehearse_exports(then.system, OPERATOR, lines)
        assert await snapshot(then.system.store) == rows, "a dry run changes nothing"
        report = await replay_exports(then.system, OPERATOR, lines)
        assert report.findings == rehearsed.findings
        assert report.counts == rehearsed.counts
        after = await access(home, then)
        first = await audit_heads(then.system)
        repeated = await replay_exports(then.system, OPERATOR, lines)
        assert await audit_heads(then.system) == first, "the second time, nothing is left to do"
        assert by_result(repeated, ENDS) == set()
        assert {one.problem for one in await verify_chains(then.system)} == {None}
    assert {one.problem for one in report.chains} == {None}
    assert by_result(report, UNVERIFIED) == set()
    wrongly = {what: held for what, held in after.items() if not held <= (before[what] & original[what])}
    assert wrongly == {}, "nothing is accepted that was refused, or given that the backup did not give"
    came_back = {what for what in original if not before[what] <= original[what]}
    assert {what.partition(" ")[2] for what in came_back} >= WAYS, "each way takes something away"
    lost_too_much = {what for what in after if after[what] != before[what] & original[what]}
    sessions = {what for what in after if what.startswith("session ")}
    assert lost_too_much <= ALLOWED_TO_END | sessions, "nothing else ends"
    assert after["token disabled and enabled"] == before["token disabled and enabled"]
    assert after["token kept"] == frozenset({"jobs:read", "jobs:write"})
    assert after["token regranted"] == frozenset({"jobs:read"})


WAYS = {
    *("revoked", "deleted", "disabled", "expires earlier", "narrowed", "regranted", "rotated", "rotated at once"),
    *("role narrowed", "space deleted", "suspended", "workspace deleted", "policy narrowed", "plan lowered"),
    *("demoted", "removed", "password changed", "password reset", "signed out", "erased", "address changed", "linked"),
    *("withdrawn", "accepted", "replaced", "service revoked", "service rotated", "secret ended", "portal ended"),
}
ALLOWED_TO_END = {"token rotated until first use"}
"""Its successor's first use is not in the audit log, and the successor is lost."""


def test_every_action_is_replayed_or_said_not_to_be() -> None:
    assert REPLAYED | NOT_REPLAYED == ACTIONS
    assert not REPLAYED & NOT_REPLAYED


@dataclass
class Small:
    """A database with one token that is revoked after the backup."""

    world: World
    workspace: Workspace
    token_id: str
    secret: Secret
    backup: Path

    async def is_accepted(self, then: World) -> bool:
        """Whether the token is accepted in another world."""
        verifier = build_verifier(then.system.store, then.system.products, then.system.clock, 0.0)
        try:
            return isinstance(await verifier.verify(self.secret), Authenticated)
        finally:
            await verifier.aclose()


@pytest.fixture
async def small(store: Store, tmp_path: Path, server: Callable[[], PostgresServer]) -> Small:
    world = make_world(store)
    workspace = await world.workspace("spooled")
    issued = await create_token(world.system, OPERATOR, NewToken(workspace.id, "CI", ("jobs:read",)))
    backup = back_up(store, tmp_path / "backup", server)
    world.clock.forward(minutes=1)
    await revoke_token(world.system, OPERATOR, issued.view.token.id)
    return Small(world, workspace, issued.view.token.id, issued.secret, backup)


async def test_without_an_export_nothing_is_vouched_for(
    store: Store, small: Small, server: Callable[[], PostgresServer]
) -> None:
    async with again(store, small.backup, server, small.world) as then:
        rows = await snapshot(then.system.store)
        report = await replay_exports(then.system, OPERATOR, [])
        assert by_result(report, UNVERIFIED) == {("token", small.token_id)}
        assert await snapshot(then.system.store) == rows


async def test_an_export_as_old_as_the_backup_vouches_for_what_it_holds_and_an_older_one_for_nothing(
    store: Store, small: Small, server: Callable[[], PostgresServer]
) -> None:
    async with again(store, small.backup, server, small.world) as then:
        of_backup = await export_of(then.system)
        older = [line for line in of_backup if json.loads(line[1])["sequence"] == 1]
        report = await replay_exports(then.system, OPERATOR, older)
        assert by_result(report, UNVERIFIED) == {("token", small.token_id)}
        assert [
            "older than the backup" in (one.problem or "") for one in report.chains if one.chain != SYSTEM_CHAIN
        ] == [True]
        report = await replay_exports(then.system, OPERATOR, of_backup)
        assert by_result(report, UNVERIFIED) == set()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("leave out the first lost event", "does not follow"),
        ("change an event", "was changed"),
        ("change a name", "a name, address or user agent of number"),
        ("leave out an event in between", "is missing from the export"),
        ("an export that begins later", "the database ends at number"),
        ("another history", "no event in common"),
        ("the end cut off", "its end is missing"),
        ("a newer version", "newer Spacekey"),
    ],
)
async def test_an_export_that_does_not_join_the_database_is_refused(
    store: Store, small: Small, server: Callable[[], PostgresServer], change: str, said: str
) -> None:
    chain, system = small.workspace.id, small.world.system
    for name in ("one", "two"):
        await create_token(system, OPERATOR, NewToken(chain, name, ("jobs:read",)))
    await write_checkpoints(system)
    lines = await export_of(system, chain)
    facts = [json.loads(text) for _, text in lines]
    assert [one["action"] for one in facts][-3:] == ["token.revoke", "token.create", "token.create"]
    match change:
        case "leave out the first lost event":
            facts = facts[-2:]
            facts[0]["sequence"] = 3
        case "change an event":
            facts[-3]["after"]["revoked_at"] = None
        case "change a name":
            facts[-3]["target_name"] = "Eve"
        case "leave out an event in between":
            del facts[-2]
        case "an export that begins later":
            facts = facts[-1:]
        case "another history":
            elsewhere = await make_world(system.store).workspace("spooled")
            facts = [json.loads(text) for _, text in await export_of(system, elsewhere.id)]
            facts = [{**one, "chain": chain} for one in facts]
        case "the end cut off":
            facts = [*(json.loads(text) for _, text in await export_of(system, SYSTEM_CHAIN)), *facts[:-1]]
        case "a newer version":
            facts[-3]["version"] = 9
    async with again(store, small.backup, server, small.world) as then:
        report = await replay_exports(then.system, OPERATOR, [("line", json.dumps(one)) for one in facts])
        (joined,) = [one for one in report.chains if one.chain == chain]
        if change == "another history":
            assert joined.problem is not None
        else:
            assert said in str(joined.problem)
        assert await small.is_accepted(then), "nothing of it is replayed"
        assert ("token", small.token_id) in by_result(report, UNVERIFIED)


async def test_nothing_is_replayed_in_a_workspace_whose_own_chain_is_broken(
    store: Store, small: Small, server: Callable[[], PostgresServer]
) -> None:
    """Whoever could change the database's events could have written those that the export goes on from."""
    lines = await export_of(small.world.system)
    async with again(store, small.backup, server, small.world) as then:
        await without_triggers(then.system.store)
        async with then.system.store.changing() as session:
            change = text("UPDATE spacekey_audit_events SET ip = '203.0.113.9' WHERE chain = :c AND sequence = 1")
            await (await session.connection()).execute(change, {"c": small.workspace.id})
        report = await replay_exports(then.system, OPERATOR, lines)
        (joined,) = [one for one in report.chains if one.chain == small.workspace.id]
        assert "the database's own chain is broken at number 1" in str(joined.problem)
        assert await small.is_accepted(then)
        assert ("token", small.token_id) in by_result(report, UNVERIFIED)


@pytest.mark.parametrize(("held", "lost"), [("free", "paid"), ("paid", "free")])
async def test_a_plan_with_more_for_tokens_or_for_members_is_not_given(
    store: Store, tmp_path: Path, server: Callable[[], PostgresServer], held: str, lost: str
) -> None:
    """On the free plan a token has nothing, and a member what the paid one does not have any more."""
    world = make_world(store)
    workspace = await world.workspace("guard", plan=held)
    backup = back_up(store, tmp_path / "backup", server)
    world.clock.forward(minutes=1)
    await update_workspace(world.system, OPERATOR, workspace.id, WorkspaceChanges(plan=lost))
    lines = await export_of(world.system)
    async with again(store, backup, server, world) as then:
        guard = then.system.products["guard"]
        paid = replace(guard.plans["paid"], scopes=frozenset() if held == "paid" else None)
        changed = replace(guard, plans={**guard.plans, "paid": paid})
        await replay_exports(replace(then.system, products={"guard": changed}), OPERATOR, lines)
        async with then.system.store.reading() as session:
            assert (await session.get_one(Workspace, workspace.id)).plan == held


async def test_it_waits_until_no_cache_holds_what_ended_and_a_dry_run_does_not(
    store: Store, small: Small, server: Callable[[], PostgresServer]
) -> None:
    lines = await export_of(small.world.system)
    async with again(store, small.backup, server, small.world) as then:
        slow = make_world(then.system.store, staleness_seconds=2.0, clock=small.world.clock)
        await rehearse_exports(slow.system, OPERATOR, lines)
        assert slow.naps == []
        await replay_exports(slow.system, OPERATOR, lines)
        assert slow.naps == [2.0]


async def test_a_database_that_went_on_after_the_restore_is_still_joined(
    store: Store, small: Small, server: Callable[[], PostgresServer]
) -> None:
    lines = await export_of(small.world.system)
    async with again(store, small.backup, server, small.world) as then:
        await create_token(then.system, OPERATOR, NewToken(small.workspace.id, "since", ("jobs:read",)))
        report = await replay_exports(then.system, OPERATOR, lines)
        assert by_result(report, ENDS) == {("token", small.token_id)}
        assert not await small.is_accepted(then)


async def test_a_tail_joins_and_two_exports_may_overlap(
    store: Store, small: Small, server: Callable[[], PostgresServer]
) -> None:
    lines = await export_of(small.world.system)
    async with again(store, small.backup, server, small.world) as then:
        report = await replay_exports(then.system, OPERATOR, lines[-1:])
        assert by_result(report, ENDS) == {("token", small.token_id)}
    async with again(store, small.backup, server, small.world) as then:
        report = await replay_exports(then.system, OPERATOR, [*lines[:-1], *lines])
        assert by_result(report, ENDS) == {("token", small.token_id)}


async def test_each_event_is_replayed_once_so_what_is_enabled_later_stays_enabled(
    store: Store, small: Small, server: Callable[[], PostgresServer]
) -> None:
    system, chain = small.world.system, small.workspace.id
    async with again(store, small.backup, server, small.world) as then:
        await disable_token(then.system, OPERATOR, small.token_id)
        first = await export_of(then.system)
        issued = await create_token(then.system, OPERATOR, NewToken(chain, "later", ("jobs:read",)))
        second = await export_of(then.system)
        assert issued
    async with again(store, small.backup, server, small.world) as then:
        assert by_result(await replay_exports(then.system, OPERATOR, first), ENDS) == {("token", small.token_id)}
        await enable_token(then.system, OPERATOR, small.token_id)
        report = await replay_exports(then.system, OPERATOR, second)
        assert by_result(report, ENDS) == set()
        assert by_result(report, LOST) == {("token", issued.view.token.id)}
        assert await small.is_accepted(then)
    assert system


async def test_an_attempt_that_failed_took_nothing(
    store: Store, tmp_path: Path, server: Callable[[], PostgresServer]
) -> None:
    world = make_world(store)
    person = await world.user("ada@example.com")
    backup = back_up(store, tmp_path / "backup", server)
    with pytest.raises(SignInFailed):
        await change_password(world.system, person, current="not the right password", new=NEW_PASSWORD)
    lines = await export_of(world.system)
    async with again(store, backup, server, world) as then:
        await replay_exports(then.system, OPERATOR, lines)
        await sign_in(then.system, FACTS, email=person.name, password=PASSWORD)


async def test_what_ended_is_on_record_with_the_event_that_it_repeats(
    store: Store, small: Small, server: Callable[[], PostgresServer]
) -> None:
    lines = await export_of(small.world.system)
    revoked = json.loads(lines[-1][1])
    assert revoked["action"] == "token.revoke"
    async with again(store, small.backup, server, small.world) as then:
        await replay_exports(then.system, OPERATOR, lines)
        again_ = json.loads((await export_of(then.system, small.workspace.id))[-1][1])
        system = json.loads((await export_of(then.system, SYSTEM_CHAIN))[-1][1])
    assert (again_["action"], again_["target_id"]) == ("token.revoke", small.token_id)
    assert (again_["credential"], again_["after"]["replays"]) == ("restore-check", revoked["id"])
    assert system["action"] == "audit.restore"
    assert system["after"]["replayed"][small.workspace.id] == [revoked["sequence"], revoked["hash"]]


@pytest.mark.parametrize("text", ["nonsense", "[]", "{}", '{"chain": "system", "sequence": 1, "hash": "00"}'])
async def test_a_line_that_is_no_event_is_named(store: Store, text: str) -> None:
    with pytest.raises(UnreadableExport, match=r"line 7 of 'x' is no event"):
        await replay_exports(make_world(store).system, OPERATOR, [("line 7 of 'x'", text)])


async def test_a_backup_while_tokens_are_revoked_is_whole_and_brings_none_of_them_back(
    store: Store, tmp_path: Path, server: Callable[[], PostgresServer]
) -> None:
    world = make_world(store)
    workspace = await world.workspace("spooled", plan="enterprise")
    made: list[tuple[str, Secret]] = []
    revoked: set[str] = set()
    stop, grown = asyncio.Event(), asyncio.Event()

    async def create() -> None:
        while not stop.is_set():
            issued = await create_token(world.system, OPERATOR, NewToken(workspace.id, "CI", ("jobs:read",)))
            made.append((issued.view.token.id, issued.secret))
            grown.set()

    async def revoke() -> None:
        while not stop.is_set():
            await asyncio.sleep(0)
            for token_id, _ in made[::2]:
                if token_id not in revoked:
                    await revoke_token(world.system, OPERATOR, token_id)
                    revoked.add(token_id)
                    break

    async def keep_on(count: int) -> None:
        while len(made) < count or len(revoked) < count // 4:
            grown.clear()
            await grown.wait()

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(create())
        tasks.create_task(revoke())
        await keep_on(20)
        early = {token_id for token_id, _ in made}
        backup = await asyncio.to_thread(back_up, store, tmp_path / "backup", server)
        await keep_on(len(made) + 20)
        stop.set()
    lines = await export_of(world.system)
    async with again(store, backup, server, world) as then:
        assert {one.problem for one in await verify_chains(then.system)} == {None}
        report = await replay_exports(then.system, OPERATOR, lines)
        assert by_result(report, UNVERIFIED) == set()
        assert {one.problem for one in report.chains} == {None}
        accepted = set()
        verifier = build_verifier(then.system.store, then.system.products, then.system.clock, 0.0)
        for token_id, secret in made:
            if isinstance(await verifier.verify(secret), Authenticated):
                accepted.add(token_id)
        await verifier.aclose()
    assert accepted & revoked == set()
    lost = {token_id for _, token_id in by_result(report, LOST)}
    assert accepted == {token_id for token_id, _ in made} - revoked - lost
    assert early.isdisjoint(lost)


FORGED: list[tuple[str, str, dict[str, Any]]] = [
    ("token.update", "token", {"grants": ["jobs:read", "jobs:write", "dlq:write", "tokens:create"]}),
    ("token.update", "token", {"expires_at": None}),
    ("token.update", "token", {"expires_at": "2999-01-01T00:00:00.000000Z"}),
    ("token.enable", "disabled", {"disabled_at": None}),
    ("token.revoke", "disabled", {"disabled_at": None, "revoked_at": None, "deleted_at": None}),
    ("member.change_role", "member", {"role": "owner"}),
    ("member.change_role", "member", {"role": "admin"}),
    ("member.add", "member", {"role": "owner"}),
    ("role.set", "workspace", {"member": {"title": "M", "description": "", "grants": ["tokens:create", "jobs:write"]}}),
    ("workspace.update", "workspace", {"plan": "enterprise"}),
    ("workspace.update", "workspace", {"scopes_allowed": None}),
    ("workspace.update", "workspace", {"scopes_allowed": ["jobs:read", "jobs:write", "dlq:write"]}),
    ("workspace.update", "workspace", {"suspended_at": None}),
]
"""Events that would give something if they were repeated as they are."""


def appended(line: str, action: str, target_id: str, after: dict[str, Any]) -> str:
    """An event after another one, with the hashes of one that was written: they have no key."""
    facts = json.loads(line)
    event = AuditEvent(
        id=new_id(EVENT, FACTS_AT, secrets.token_bytes),
        chain=facts["chain"],
        sequence=facts["sequence"] + 1,
        at=FACTS_AT,
        action=action,
        outcome="success",
        actor_id="operator",
        actor_name="operator",
        actor_kind="operator",
        credential="command line",
        target_id=target_id,
        after=after,
        ip="",
        user_agent="",
        request_id="",
        actor_salt=bytes(16),
        target_salt=bytes(16),
        hash=b"",
    )
    event.actor_digest, event.target_digest = actor_digest(event), target_digest(event)
    event.hash = event_hash(bytes.fromhex(facts["hash"]), event)
    return json.dumps(event_facts(event))


FACTS_AT = datetime(2026, 6, 1, 13, tzinfo=UTC)


async def test_a_forged_export_gives_nothing(
    store: Store, tmp_path: Path, server: Callable[[], PostgresServer]
) -> None:
    world = make_world(store)
    home = Home(world)
    main = await home.workspace("forged")
    for way in ("token", "disabled"):
        await home.token(way, main, "jobs:read")
    soon = world.clock.now + timedelta(hours=2)
    await update_token(world.system, OPERATOR, home.tokens["token"], TokenChanges(expires_at=soon))
    await disable_token(world.system, OPERATOR, home.tokens["disabled"])
    await update_workspace(world.system, OPERATOR, main.id, WorkspaceChanges(scopes_allowed=("jobs:read",)))
    member = await home.person("member", main, "member")
    backup = back_up(store, tmp_path / "backup", server)
    lines = await export_of(world.system)
    targets = {**home.tokens, "member": member.id, "workspace": main.id}
    last = next(text for _, text in reversed(lines) if json.loads(text)["chain"] == main.id)
    forged = []
    for action, target, after in FORGED:
        last = appended(last, action, targets[target], after)
        forged.append(("forged", last))
    async with again(store, backup, server, world) as then:
        before = await access(home, then)
        report = await replay_exports(then.system, OPERATOR, [*lines, *forged])
        (joined,) = [one for one in report.chains if one.chain == main.id]
        assert (joined.problem, len(joined.lost)) == (None, len(FORGED)), "the forged events join"
        after_replay = await access(home, then)
        assert {what for what, held in after_replay.items() if not held <= before[what]} == set()
        world.clock.forward(hours=3)
        assert (await access(home, then))["token token"] == frozenset(), "no expiry became later"
