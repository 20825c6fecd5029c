"""Repetition of what was taken away between a backup and the end of an export, in a database restored from the backup.

It only ever takes away. What was given after the backup is lost with it: a token that was enabled then stays disabled,
and a member whose role became a greater one keeps the lesser. Each workspace is changed in one transaction, with an
audit event for every change, and each event of an export is replayed once.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from sqlmodel.ext.asyncio.session import AsyncSession

from spacekey.domain.errors import ServiceUnavailable
from spacekey.domain.refusal import Conflict, NotFound
from spacekey.models.engine.store import Rehearsal
from spacekey.models.queries import audit as audit_queries
from spacekey.models.queries import restore as restore_queries
from spacekey.models.queries import workspaces as workspace_queries
from spacekey.models.tables.audit import SYSTEM_CHAIN
from spacekey.models.tables.workspace import Workspace
from spacekey.resolvers.access.caller import Operator
from spacekey.resolvers.accounts.erasure import erase_user
from spacekey.resolvers.audit.chains import verify_chains
from spacekey.resolvers.audit.log import actor_of, record
from spacekey.resolvers.staleness import settle, staleness_seconds, takes_access_away
from spacekey.resolvers.system import System

from .accounts import replay_accounts
from .exports import JoinedChain, Line, join_exports
from .report import ENDS, LOST, UNVERIFIED, Finding, RestoreReport
from .taken import Taken, taken_away
from .workspace import WorkspaceReplay

RESTORE = "audit.restore"
REPLAYED = "replayed"
"""Key under which an event holds how far each chain was replayed: chain → [sequence number, hash in hexadecimal]."""

CREDENTIAL = "restore-check"
CHAINS_MAX = 100
"""Maximum number of chains in one event."""

NO_EXPORT = "no export of its audit log was given"


async def rehearse_exports(system: System, caller: Operator, lines: Iterable[Line]) -> RestoreReport:
    """Return what :func:`replay_exports` would do. Nothing is changed.

    :raises UnreadableExport: if a line is no event of an export.
    """

    async def measure(_session: AsyncSession) -> None:
        """Measure nothing."""

    rehearsed = replace(system, store=Rehearsal(system.store, measure))
    return await replay_exports(rehearsed, caller, lines, wait=False)


@takes_access_away
async def replay_exports(
    system: System, caller: Operator, lines: Iterable[Line], *, wait: bool = True
) -> RestoreReport:
    """Repeat what the exports say was taken away since the backup, and say what cannot be vouched for.

    All sessions of people end, since the audit log does not say which one a person ended.

    :param lines: the lines of exports, of any chains.
    :raises UnreadableExport: if a line is no event of an export.
    """
    caller = replace(caller, credential=CREDENTIAL)
    joined = await join_exports(system, lines)
    await _check_database(system, joined)
    done = await _replayed_before(system)
    for chain, one in joined.items():
        _leave_out(one, done.get(chain))
    report = RestoreReport(list(joined.values()))
    staleness = 0.0
    async with system.store.reading() as session:
        workspaces = await workspace_queries.all_workspaces(session)
    for workspace in workspaces:
        report.slugs[workspace.id] = workspace.slug
        of_workspace = joined.get(workspace.id)
        reason = _unusable(system, workspace, of_workspace)
        if of_workspace is None or reason is not None:
            await _unverified(system, report, workspace, reason or NO_EXPORT)
            continue
        taken = taken_away(of_workspace.lost)
        if of_workspace.lost:
            staleness = max(staleness, await _replay_workspace(system, caller, report, workspace.id, taken))
        _lost(report, workspace.slug, taken)
        await _first_uses(system, report, workspace)
    for one in joined.values():
        if not one.is_known and one.problem is None:
            _lost_workspace(report, one)
    ended = await _replay_system(system, caller, report, joined.get(SYSTEM_CHAIN), first=SYSTEM_CHAIN not in done)
    await _record(
        system,
        caller,
        [one for one in joined.values() if one.problem is None and one.is_known and not one.was_replayed],
        ended,
    )
    await settle(system, staleness, wait=wait)
    return report


async def _check_database(system: System, joined: dict[str, JoinedChain]) -> None:
    """Note which of the database's own chains are broken."""
    known = [chain for chain, one in joined.items() if one.is_known]
    for report in await verify_chains(system, known) if known else []:
        if report.broken_at is not None:
            joined[
                report.chain
            ].problem = f"the database's own chain is broken at number {report.broken_at}: {report.problem}"


async def _replayed_before(system: System) -> dict[str, tuple[int, bytes]]:
    """Return how far each chain was replayed by earlier calls: chain → (number, hash)."""
    found: dict[str, tuple[int, bytes]] = {}
    async with system.store.reading() as session:
        async for event in audit_queries.audit_events(session, SYSTEM_CHAIN, RESTORE):
            for chain, (number, written) in (event.after or {}).get(REPLAYED, {}).items():
                found[chain] = (int(number), bytes.fromhex(written))
    return found


def _leave_out(joined: JoinedChain, done: tuple[int, bytes] | None) -> None:
    """Forget the lost events that an earlier call replayed, and note an export that is older than the backup."""
    if done is not None:
        joined.was_replayed = done == (joined.export_ends_at, joined.export_hash)
        at = next((place for place, event in enumerate(joined.lost) if event.sequence == done[0]), None)
        if at is not None and joined.lost[at].hash == done[1]:
            del joined.lost[: at + 1]
    if joined.lost or joined.was_replayed or joined.problem is not None:
        return
    if joined.export_ends_at < joined.database_ends_at:
        joined.problem = (
            f"it ends at number {joined.export_ends_at} and the database at number {joined.database_ends_at}, so it is "
            "older than the backup"
        )


def _unusable(system: System, workspace: Workspace, joined: JoinedChain | None) -> str | None:
    if joined is None:
        return NO_EXPORT
    if joined.problem is not None:
        return f"the export of its audit log cannot be used: {joined.problem}"
    if workspace.product not in system.products:
        return f"its product '{workspace.product}' is not loaded; add its file to SPACEKEY_PRODUCTS"
    return None


async def _unverified(system: System, report: RestoreReport, workspace: Workspace, reason: str) -> None:
    """Name everything in a workspace that may have been taken away since the backup."""
    now = system.clock()
    async with system.store.reading() as session:
        tokens = await restore_queries.usable_tokens(session, workspace.id, now, FINDINGS_READ)
        count = await restore_queries.count_usable_tokens(session, workspace.id, now)
        members = await restore_queries.count_members(session, workspace.id)
    for token in tokens:
        report.add(UNVERIFIED, Finding("token", token.id, token.name, workspace.slug, reason))
    report.counts[UNVERIFIED] += count - len(tokens)
    if members:
        counted = f"{members} {'member' if members == 1 else 'members'}"
        report.add(UNVERIFIED, Finding("members", workspace.id, counted, workspace.slug, reason), members)


FINDINGS_READ = 10_000


async def _replay_workspace(
    system: System, caller: Operator, report: RestoreReport, workspace_id: str, taken: Taken
) -> float:
    """Replay in one workspace; return for how many seconds a cache may hold the earlier state."""
    async with system.store.changing() as session:
        workspace = await workspace_queries.lock_workspace(session, workspace_id)
        if workspace is None or workspace.deleted_at is not None:
            return 0.0
        replayed = WorkspaceReplay(session, system, caller, workspace, taken)
        await replayed.run()
        staleness = await staleness_seconds(session, system)
    for finding in replayed.ended:
        report.add(ENDS, finding)
    return staleness


async def _first_uses(system: System, report: RestoreReport, workspace: Workspace) -> None:
    """Name the tokens whose end the audit log does not hold: at the first use of their successor."""
    why = "it ends at the first use of its successor, which the audit log does not hold"
    async with system.store.reading() as session:
        for token in await restore_queries.tokens_that_a_first_use_ends(session, workspace.id, system.clock()):
            report.add(UNVERIFIED, Finding("token", token.id, token.name, workspace.slug, why))


def _lost(report: RestoreReport, slug: str | None, taken: Taken) -> None:
    for one in taken.made.values():
        name = str(one.facts.get("name") or one.facts.get("slug") or "")
        report.add(LOST, Finding(one.what, one.id, name, slug, "made after the backup"))


def _lost_workspace(report: RestoreReport, joined: JoinedChain) -> None:
    facts = next((one.after or {} for one in joined.lost if one.action == "workspace.create"), {})
    report.slugs[joined.chain] = str(facts.get("slug", joined.chain))
    name = str(facts.get("name", ""))
    report.add(LOST, Finding("workspace", joined.chain, name, report.slugs[joined.chain], "made after the backup"))


async def _replay_system(
    system: System, caller: Operator, report: RestoreReport, joined: JoinedChain | None, *, first: bool
) -> int:
    """Replay what concerns accounts, sessions and services; return how many sessions ended."""
    if joined is None or joined.problem is not None:
        why = (
            "no export of the system's audit log was given"
            if joined is None
            else (f"the export of the system's audit log cannot be used: {joined.problem}")
        )
        async with system.store.reading() as session:
            counts = await restore_queries.count_live(session, system.clock())
        for what, count in counts.items():
            if count:
                report.add(UNVERIFIED, Finding(what, "", str(count), None, why), count)
        return 0
    taken = taken_away(joined.lost)
    erased = [one for one, last in taken.accounts.items() if last.facts.get("erased")]
    for user_id in erased:
        del taken.accounts[user_id]
    async with system.store.changing() as session:
        ended = await restore_queries.delete_all_sessions(session) if first else 0
        findings = await replay_accounts(session, system, caller, taken)
    if ended:
        counted = f"{ended} {'session' if ended == 1 else 'sessions'}"
        report.add(ENDS, Finding("sessions", "", counted, None, "people sign in again after a restore"), ended)
    for finding in findings:
        report.add(ENDS, finding)
    for user_id in erased:
        await _erase(system, caller, report, user_id)
    _lost(report, None, taken)
    return ended


async def _erase(system: System, caller: Operator, report: RestoreReport, user_id: str) -> None:
    try:
        await erase_user(system, caller, user_id, wait=False)
    except NotFound:
        return
    except (Conflict, ServiceUnavailable) as error:
        report.add(UNVERIFIED, Finding("account", user_id, "", None, f"it was erased after the backup: {error}"))
        return
    report.add(ENDS, Finding("account", user_id, "", None, "it was erased"))


async def _record(system: System, caller: Operator, chains: list[JoinedChain], sessions_ended: int) -> None:
    """Record how far the chains were replayed, so that each event is replayed once."""
    heads = {one.chain: [one.export_ends_at, one.export_hash.hex()] for one in chains}
    names = sorted(heads)
    for start in range(0, len(names), CHAINS_MAX):
        async with system.store.changing() as session:
            await record(
                session,
                system,
                actor_of(caller),
                chain=SYSTEM_CHAIN,
                action=RESTORE,
                target_id=SYSTEM_CHAIN,
                after={
                    REPLAYED: {name: heads[name] for name in names[start : start + CHAINS_MAX]},
                    "sessions_ended": sessions_ended,
                },
            )
