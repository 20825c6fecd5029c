"""``spacekey token``: issue, find, change and end tokens."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import nullcontext
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, TypeAlias

import typer

from spacekey.domain.external import parsed_metadata
from spacekey.domain.key_format import ROW_BYTES_MAX
from spacekey.domain.token_state import Status
from spacekey.domain.unset import UNSET

from . import _complete
from ._connection import connected
from ._options import (
    EXPIRES_HELP,
    GRANT_HELP,
    AnyWorkspace,
    AsArray,
    AsJson,
    AsLines,
    DryRun,
    Limit,
    NoWait,
    TokenId,
    Wide,
    Workspace,
    Yes,
)
from .common.backend import Backend, Consent, Ending
from .common.consent import show_change
from .common.names import actor_id, token_id
from .common.output import TABLE_ROWS_MAX, Facts, Format, Listing, print_table, say, show_once, show_one
from .common.run import USAGE, Failure, read_expiry, read_secret, scope_names

ROTATE_AFTER_DAYS = 90
ONCE = "The secret, which is shown only once:"
COLUMNS = ("name", "prefix", "grants", "status", "last_used_at", "expires_at", "id")
DROP = ("workspace", "last_used_at", "expires_at", "grants", "status", "prefix", "name")
INACTIVE_COLUMNS = ("workspace", "name", "prefix", "finding", "last_used_at", "unused_scopes", "age_days", "id")
INACTIVE_DROP = ("age_days", "last_used_at", "unused_scopes", "workspace", "finding", "prefix", "name")


OfSpace: TypeAlias = Annotated[str | None, typer.Option("--space", help="Only this space's: its slug or id.")]
OfStatus: TypeAlias = Annotated[
    list[Status] | None, typer.Option("--status", case_sensitive=False, help="Only these; may be repeated.")
]
OfEnvironment: TypeAlias = Annotated[str | None, typer.Option("--environment", help="Only live, or only test.")]
WithText: TypeAlias = Annotated[str | None, typer.Option("--text", help="Part of the name, description or prefix.")]
WithScope: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--scope", autocompletion=_complete.scopes, help="Only those that have this scope now, however it was granted."
    ),
]
WithPrefix: TypeAlias = Annotated[
    str | None, typer.Option("--prefix", help="With a secret that begins like this, as printed: sp_live_a1b2…")
]
Expiring: TypeAlias = Annotated[
    int | None, typer.Option("--expiring", metavar="DAYS", help="Ending within so many days.")
]
WithExternalId: TypeAlias = Annotated[
    str | None, typer.Option("--external-id", help="With exactly this id that your application gave the owner.")
]
Imported: TypeAlias = Annotated[
    bool | None, typer.Option("--imported/--not-imported", help="Only imported keys, or only tokens made here.")
]
MetadataText: TypeAlias = Annotated[
    str | None,
    typer.Option("--metadata", metavar="JSON", help='A JSON object that verification gives back, like {"seats": 3}.'),
]
CreatedBy: TypeAlias = Annotated[
    str | None, typer.Option("--created-by", metavar="ID", help="Made by this person or token (usr_…, key_…).")
]


def list_(
    workspace: AnyWorkspace = None,
    space: OfSpace = None,
    status: OfStatus = None,
    environment: OfEnvironment = None,
    text: WithText = None,
    scope: WithScope = None,
    prefix: WithPrefix = None,
    expiring: Expiring = None,
    created_by: CreatedBy = None,
    external_id: WithExternalId = None,
    imported: Imported = None,
    limit: Limit = None,
    as_json: AsArray = False,
    as_lines: AsLines = False,
    wide: Wide = False,
) -> None:
    """List tokens, newest first: of a workspace, or of all."""
    form = Format(as_json, as_lines, wide, limit)
    conditions = _conditions(status, environment, text, scope, prefix, expiring, created_by, external_id, imported)
    columns = COLUMNS if workspace is not None else ("workspace", *COLUMNS)

    async def work(backend: Backend) -> None:
        with Listing(form, *columns, drop=DROP) as listing:
            await listing.add_all(backend.tokens.list(conditions, workspace, space))

    connected(work)


def count(
    workspace: Workspace,
    space: OfSpace = None,
    status: OfStatus = None,
    environment: OfEnvironment = None,
    text: WithText = None,
    scope: WithScope = None,
    prefix: WithPrefix = None,
    expiring: Expiring = None,
    created_by: CreatedBy = None,
    external_id: WithExternalId = None,
    imported: Imported = None,
    as_json: AsJson = False,
) -> None:
    """Count the tokens of a workspace, up to 10000; the conditions are those of 'token list'."""
    conditions = _conditions(status, environment, text, scope, prefix, expiring, created_by, external_id, imported)
    show_one(connected(lambda backend: backend.tokens.count(conditions, workspace, space)), as_json)


def quota(workspace: Workspace, as_json: AsJson = False) -> None:
    """Show how many tokens of a workspace count towards its plan, and how many the plan includes."""
    show_one(connected(lambda backend: backend.tokens.quota(workspace)), as_json)


def _conditions(
    status: list[Status] | None,
    environment: str | None,
    text: str | None,
    scope: str | None,
    prefix: str | None,
    expiring: int | None,
    created_by: str | None,
    external_id: str | None,
    imported: bool | None,
) -> dict[str, object]:
    return given(
        statuses=frozenset(status) if status else None,
        environment=environment and environment.lower(),
        text=text,
        scope=scope,
        prefix=prefix,
        expiring_days=expiring,
        created_by=None if created_by is None else actor_id("created_by", created_by),
        external_id=external_id,
        imported=imported,
    )


def whose(
    prefix: Annotated[
        str, typer.Argument(metavar="PREFIX", help="The first characters of a secret, as found in a log: 12 at most.")
    ],
    limit: Limit = None,
    as_json: AsArray = False,
    as_lines: AsLines = False,
    wide: Wide = False,
) -> None:
    """List the tokens whose secrets begin like this, in all workspaces."""
    form = Format(as_json, as_lines, wide, limit)

    async def work(backend: Backend) -> None:
        with Listing(form, "workspace", *COLUMNS, drop=DROP) as listing:
            await listing.add_all(backend.tokens.list({"prefix": prefix}, None, None))

    connected(work)


def create(
    name: Annotated[str, typer.Argument(metavar="NAME", help="What it is for, like 'Production server'.")],
    workspace: Workspace,
    grant: Annotated[
        list[str] | None,
        typer.Option("--grant", "-g", autocompletion=_complete.scopes, help=GRANT_HELP),
    ] = None,
    preset: Annotated[
        str | None,
        typer.Option("--preset", autocompletion=_complete.presets, help="Grants the scopes of a preset, one by one."),
    ] = None,
    space: Annotated[str | None, typer.Option("--space", help="Makes it a token of this space: slug or id.")] = None,
    environment: Annotated[
        str | None, typer.Option("--environment", help="live or test; the product's first when left out.")
    ] = None,
    expires: Annotated[str | None, typer.Option("--expires", help=EXPIRES_HELP)] = None,
    description: Annotated[str, typer.Option("--description", help="A note for people.")] = "",
    external_id: Annotated[
        str | None, typer.Option("--external-id", help="The id that your application has for its owner.")
    ] = None,
    metadata: MetadataText = None,
    as_json: AsJson = False,
) -> None:
    """Create a token and print its secret, once: alone on standard output, or with --json as a field."""

    expiry = read_expiry(expires, datetime.now(UTC))
    fields = {
        "grants": scope_names(grant),
        "preset": preset,
        "description": description,
        "environment": environment and environment.lower(),
        "expires_at": expiry,
        "external_id": external_id,
        "metadata": None if metadata is None else parsed_metadata("metadata", metadata),
    }
    facts, secret = connected(lambda backend: backend.tokens.create(name, workspace, space, fields))
    show_once(facts, secret, ONCE, as_json)


def show(token: TokenId, as_json: AsJson = False) -> None:
    """Show one token: everything but its secret, which is kept nowhere."""

    id_ = token_id(token)
    show_one(connected(lambda backend: backend.tokens.show(id_)), as_json)


def edit(
    token: TokenId,
    name: Annotated[str | None, typer.Option("--name", help="Another name.")] = None,
    description: Annotated[str | None, typer.Option("--description", help="Another note; '' clears it.")] = None,
    grant: Annotated[
        list[str] | None,
        typer.Option(
            "--grant",
            "-g",
            autocompletion=_complete.scopes,
            help=f"{GRANT_HELP} Takes the place of all it was granted.",
        ),
    ] = None,
    expires: Annotated[
        str | None, typer.Option("--expires", help="When it ends instead: 90d, a date, a time, or never; see 'create'.")
    ] = None,
    external_id: Annotated[
        str | None,
        typer.Option("--external-id", help="Another id that your application has for its owner; '' clears it."),
    ] = None,
    metadata: Annotated[
        str | None,
        typer.Option("--metadata", metavar="JSON", help="Another JSON object in place of the old one; '' clears it."),
    ] = None,
    yes: Yes = False,
    dry_run: DryRun = False,
    no_wait: NoWait = False,
    as_json: AsJson = False,
) -> None:
    """Edit a token's name, description, grants, expiry, external id or metadata; its secret stays the same."""
    if not grant and all(one is None for one in (name, description, expires, external_id, metadata)):
        options = "--name, --description, --grant, --expires, --external-id or --metadata"
        raise Failure(f"Say what to change: {options}.", USAGE)

    id_, expiry = token_id(token), read_expiry(expires, datetime.now(UTC))
    changes = given(name=name, description=description, grants=scope_names(grant) if grant else None)
    if expiry is not UNSET:
        changes["expires_at"] = expiry
    if external_id is not None:
        changes["external_id"] = external_id or None
    if metadata is not None:
        changes["metadata"] = parsed_metadata("metadata", metadata) if metadata else None
    consent = Consent(yes, dry_run, wait=not no_wait)
    show_change(connected(lambda backend: backend.tokens.edit(id_, changes, consent), takes_away=True), as_json)


def disable(
    token: TokenId, yes: Yes = False, dry_run: DryRun = False, no_wait: NoWait = False, as_json: AsJson = False
) -> None:
    """Refuse a token until it is enabled again."""
    _end(token, "disable", None, Consent(yes, dry_run, wait=not no_wait), as_json)


def enable(token: TokenId, as_json: AsJson = False) -> None:
    """Accept a disabled token again."""
    id_ = token_id(token)
    show_one(connected(lambda backend: backend.tokens.enable(id_), takes_away=True), as_json)


def revoke(
    token: TokenId,
    reason: Annotated[str | None, typer.Option("--reason", help="Why, for the list and the audit log.")] = None,
    yes: Yes = False,
    dry_run: DryRun = False,
    no_wait: NoWait = False,
    as_json: AsJson = False,
) -> None:
    """End a token for good; it stays in lists as revoked."""
    _end(token, "revoke", reason, Consent(yes, dry_run, wait=not no_wait), as_json)


def delete(
    token: TokenId, yes: Yes = False, dry_run: DryRun = False, no_wait: NoWait = False, as_json: AsJson = False
) -> None:
    """End a token and take it out of lists; the audit log keeps it."""
    _end(token, "delete", None, Consent(yes, dry_run, wait=not no_wait), as_json)


def _end(token: str, how: Ending, reason: str | None, consent: Consent, as_json: bool) -> None:
    id_ = token_id(token)
    done = connected(lambda backend: backend.tokens.end(id_, how, reason, consent), takes_away=True)
    show_change(done, as_json)


def rotate(
    token: TokenId,
    grace: Annotated[
        int | None,
        typer.Option(
            "--grace",
            metavar="SECONDS",
            help="How long the old one stays good: 0 to 604800; asks first below 60.",
        ),
    ] = None,
    retire_on_first_use: Annotated[
        bool, typer.Option("--retire-on-first-use", help="The new token's first use ends the old one earlier.")
    ] = False,
    expires: Annotated[str | None, typer.Option("--expires", help="The new token's; see 'token create'.")] = None,
    yes: Yes = False,
    dry_run: DryRun = False,
    no_wait: NoWait = False,
    as_json: AsJson = False,
) -> None:
    """Make a successor with the same grants and print its secret, once; the old token ends after a day."""

    id_, expiry = token_id(token), read_expiry(expires, datetime.now(UTC))
    fields = {**given(grace_seconds=grace), "retire_on_first_use": retire_on_first_use, "expires_at": expiry}
    consent = Consent(yes, dry_run, wait=not no_wait)
    done = connected(lambda backend: backend.tokens.rotate(id_, fields, consent), takes_away=True)
    if isinstance(done, tuple):
        show_once(*done, ONCE, as_json)
    else:
        show_change(done, as_json)


IMPORT_COLUMNS = ("row", "name", "reason")


def import_(
    file: Annotated[
        Path,
        typer.Argument(metavar="FILE", help="NDJSON: a key's hash, name, grants … on each line; - is standard input."),
    ],
    workspace: Workspace,
    key_format: Annotated[
        str, typer.Option("--format", metavar="NAME", help="The key format, as the product file declares it.")
    ],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Check every row, and change nothing.")] = False,
    as_json: AsArray = False,
    as_lines: AsLines = False,
) -> None:
    """Import the hashes of keys that another system made, and print the rows that were refused.

    Each row succeeds or fails by itself, and one that is there already stays as it is. With --json all rows are
    printed. Exits with 1 if a row was refused.
    """
    counts: Counter[str] = Counter()
    refused: list[Facts] = []

    every = Listing(Format(as_json, as_lines, False, None), *IMPORT_COLUMNS) if as_json or as_lines else None

    async def work(backend: Backend) -> None:
        with every or nullcontext():
            async for row in backend.tokens.import_(_lines(file), workspace, key_format, dry_run=dry_run):
                counts[row["outcome"]] += 1
                if every is not None:
                    every.add(row)
                elif row["outcome"] == "refused" and len(refused) < TABLE_ROWS_MAX:
                    refused.append(row)

    connected(work)
    if refused:
        print_table(refused, IMPORT_COLUMNS, ("name",))
    did = "would be imported" if dry_run else "imported"
    say(f"{counts['imported']} {did}, {counts['present']} already there, {counts['refused']} refused.")
    if counts["refused"]:
        raise Failure(f"{counts['refused']} of {counts.total()} rows were refused.")


async def _lines(file: Path) -> AsyncIterator[bytes]:
    """Yield the lines of a file, or of standard input, without reading all of it at once.

    :raises Failure: it cannot be read.
    """
    try:
        with nullcontext(sys.stdin.buffer) if str(file) == "-" else file.open("rb") as opened:
            while line := opened.readline(ROW_BYTES_MAX + 1):
                while len(line) > ROW_BYTES_MAX and not line.endswith(b"\n"):
                    rest = opened.readline(ROW_BYTES_MAX)
                    if not rest or rest.endswith(b"\n"):
                        break
                yield line
    except OSError as error:
        raise Failure(f"FILE: cannot be read: {error.strerror}.", USAGE) from None


def inactive(
    workspace: AnyWorkspace = None,
    days: Annotated[int, typer.Option("--days", help="Unused for at least this many days.")] = 90,
    limit: Limit = None,
    as_json: AsArray = False,
    as_lines: AsLines = False,
    wide: Wide = False,
) -> None:
    """List active tokens that were not used recently, or not with all their scopes; unused ones come first."""
    form = Format(as_json, as_lines, wide, limit)

    async def work(backend: Backend) -> None:
        old = 0
        with Listing(form, *INACTIVE_COLUMNS, drop=INACTIVE_DROP) as listing:
            async for one in backend.tokens.inactive(days, workspace):
                old += one["age_days"] >= ROTATE_AFTER_DAYS
                if one["finding"] is not None and not listing.add(one):
                    return
        if old:
            say(
                f"{old} active {'token is' if old == 1 else 'tokens are'} {ROTATE_AFTER_DAYS} days old or more. "
                "Rotate with: spacekey token rotate TOKEN"
            )

    connected(work)


def verify(as_json: AsJson = False) -> None:
    """Say whether a secret is accepted, why not, and whose it is. The secret is read from standard input.

    On the database it does not count as a use; a server counts it. Exits with 1 if the secret is not accepted.
    """
    facts = connected(lambda backend: backend.tokens.describe_secret(read_secret()))
    show_one({**facts, "token": facts["token"] and facts["token"]["name"]} if not as_json else facts, as_json)
    if not facts["accepted"]:
        raise Failure(f"The secret is not accepted: {facts['reason'] or 'invalid'}.")


def given(**values: object) -> dict[str, object]:
    """Return the values that are not None."""
    return {name: value for name, value in values.items() if value is not None}
