"""``spacekey restore-check``: repeat what was taken away since a backup, from an export of the audit log."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ._connection import check_local, run
from ._options import AsJson, DryRun, Yes
from .common.output import Facts, say, show_one
from .common.run import USAGE, Failure, confirmed, operator

if TYPE_CHECKING:
    from spacekey.resolvers.restore.report import RestoreReport
    from spacekey.resolvers.system import System

STANDARD_INPUT = Path("-")
SHOWN_MAX = 100
TITLES = {
    "ends": ("These end:", "These ended:"),
    "unverified": ("Nothing vouches for these:",) * 2,
    "lost": ("These were made after the backup and are lost:",) * 2,
}


def restore_check(
    exports: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="EXPORT…",
            help="Files of 'spacekey audit export' that are newer than the backup; - for standard input.",
        ),
    ] = None,
    dry_run: DryRun = False,
    yes: Yes = False,
    as_json: AsJson = False,
) -> None:
    """After a restore: end again what was revoked, disabled or narrowed since the backup, by newer audit exports.

    Nothing is given back. Exits with 1 if there is something left that no export vouches for.
    """
    check_local()
    files = exports or []
    given = list(_lines(files)) if STANDARD_INPUT in files else None

    def report(*, rehearsed: bool) -> RestoreReport:
        async def work(system: System) -> RestoreReport:
            from spacekey.resolvers.restore.exports import UnreadableExport
            from spacekey.resolvers.restore.replay import rehearse_exports, replay_exports

            lines = iter(given) if given is not None else _lines(files)
            try:
                if rehearsed:
                    return await rehearse_exports(system, operator(), lines)
                return await replay_exports(system, operator(), lines)
            except UnreadableExport as error:
                raise Failure(f"{error}.", USAGE) from None

        return run(work)

    if dry_run:
        _show(report(rehearsed=True), as_json, rehearsed=True)
        return
    if not yes:
        confirmed(f"{_summary(report(rehearsed=True))} End them now?", yes=False)
    done = report(rehearsed=False)
    _show(done, as_json, rehearsed=False)
    left = done.counts["unverified"]
    if left:
        raise Failure(
            f"Nothing vouches for {left} of what the database holds: it may have been revoked since the backup. Give "
            "newer exports, or revoke and replace what you cannot vouch for; see Back up and restore in the docs."
        )


def _summary(report: RestoreReport, *, done: bool = False) -> str:
    ends, counts = report.counts["ends"], report.counts
    verb = "ended" if done else "ends" if ends == 1 else "end"
    return (
        f"{ends} {'thing' if ends == 1 else 'things'} {verb}, {counts['unverified']} cannot be vouched for, "
        f"{counts['lost']} made after the backup {'is' if counts['lost'] == 1 else 'are'} lost."
    )


def _show(report: RestoreReport, as_json: bool, *, rehearsed: bool) -> None:
    if as_json:
        show_one(_facts(report, rehearsed), True)
        return
    if rehearsed:
        say("Nothing was changed. This is what would happen:")
    from .common.output import print_table

    chains = [_chain_facts(report, one.chain) for one in report.chains]
    if chains:
        chains = [{**one, "workspace": one["workspace"] or one["chain"]} for one in chains]
        print_table(chains, ("workspace", "joined_at", "export_ends_at", "until", "new", "problem"), ("joined_at",))
    for result, titles in TITLES.items():
        found = report.findings[result]
        if not found:
            continue
        print(f"\n{titles[0 if rehearsed else 1]}")
        rows = [one.facts() for one in found[:SHOWN_MAX]]
        print_table(rows, ("what", "id", "name", "workspace", "why"), ("name", "workspace"))
        if report.counts[result] > len(rows):
            say(f"{report.counts[result]} in all; --json names more.")
    print(f"\n{_summary(report, done=not rehearsed)}")


def _facts(report: RestoreReport, rehearsed: bool) -> Facts:
    facts: Facts = {"dry_run": rehearsed, "chains": [_chain_facts(report, one.chain) for one in report.chains]}
    for result in TITLES:
        facts[result] = [one.facts() for one in report.findings[result]]
        facts[f"{result}_total"] = report.counts[result]
    return facts


def _chain_facts(report: RestoreReport, chain: str) -> Facts:
    from spacekey.domain.clock import written_to_milliseconds

    one = next(each for each in report.chains if each.chain == chain)
    return {
        "chain": chain,
        "workspace": report.slugs.get(chain),
        "joined_at": one.joined_at,
        "database_ends_at": one.database_ends_at,
        "export_ends_at": one.export_ends_at,
        "until": None if one.until is None else written_to_milliseconds(one.until),
        "new": len(one.lost),
        "replayed_before": one.was_replayed,
        "problem": one.problem,
    }


def _lines(files: list[Path]) -> Iterator[tuple[str, str]]:
    """Yield every line of the files with where it stands.

    :raises Failure: a file cannot be read.
    """
    for file in files:
        if file == STANDARD_INPUT:
            for number, line in enumerate(sys.stdin, 1):
                yield f"line {number} of standard input", line
            continue
        try:
            with file.open(encoding="utf-8") as text:
                for number, line in enumerate(text, 1):
                    yield f"line {number} of '{file}'", line
        except (OSError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "it is no text"
            raise Failure(f"'{file}' cannot be read: {reason}.", USAGE) from None
