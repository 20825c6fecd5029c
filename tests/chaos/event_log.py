"""Log of the changes that processes were told had succeeded, and its comparison with the database."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlmodel import col, select

from spacekey.domain.authentication import Authenticated, Reason, Rejected, Verdict
from spacekey.domain.clock import utc_now
from spacekey.domain.secret import Secret
from spacekey.models.tables.audit import AuditEvent
from spacekey.models.tables.token import Token
from spacekey.resolvers.audit.chains import verify_chains
from spacekey.resolvers.system import System
from spacekey.server.build import build_system, build_verifier
from spacekey.server.settings import Settings

Entry = dict[str, Any]


class EventLog:
    """A file to which a process appends what it was told. A line is one write, so a kill leaves it whole or away."""

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)

    def note(self, what: str, token_id: str, secret: str) -> None:
        """``issued``, ``rotated`` or ``revoked``: the token and its secret."""
        os.write(self._file, f"{json.dumps({'what': what, 'id': token_id, 'secret': secret})}\n".encode())


def entries(path: Path, start: int = 0) -> tuple[list[Entry], int]:
    """What was written from this byte on, and up to which byte."""
    if not path.exists():
        return [], start
    with path.open("rb") as file:
        file.seek(start)
        written = file.read()
    whole = written[: written.rfind(b"\n") + 1]
    return [json.loads(line) for line in whole.splitlines()], start + len(whole)


@dataclass(frozen=True, slots=True)
class Findings:
    """Inconsistencies, by token or chain.

    :param lost: changes that were acknowledged and are not there.
    :param half: rotations of which one side is missing.
    :param unaudited: rows and audit events that do not belong together one to one.
    :param wrong_verdicts: secrets on which the verifier says something else than the row.
    """

    lost: tuple[str, ...]
    half: tuple[str, ...]
    unaudited: tuple[str, ...]
    wrong_verdicts: tuple[str, ...]
    broken_chains: tuple[str, ...]

    @property
    def nothing(self) -> bool:
        """Whether there are no inconsistencies."""
        return not any(getattr(self, one.name) for one in fields(self))


async def hold(database_url: str, acknowledged: Iterable[Entry]) -> Findings:
    """Compare the database with itself and with the acknowledged changes."""
    system = build_system(Settings(database_url=database_url))
    try:
        async with system.store.reading() as session:
            tokens = {token.id: token for token in (await session.exec(select(Token))).all()}
            counted = sa.select(col(AuditEvent.target_id), col(AuditEvent.action), sa.func.count())
            grouped = counted.where(col(AuditEvent.action).like("token.%"))
            grouped = grouped.group_by(col(AuditEvent.target_id), col(AuditEvent.action))
            rows = await (await session.connection()).execute(grouped)
            events = {(target, action): count for target, action, count in rows}
        known = list(acknowledged)
        return Findings(
            lost=tuple(one["id"] for one in known if not _kept(tokens, one)),
            half=tuple(token.id for token in tokens.values() if not _whole(tokens, token)),
            unaudited=tuple(_unaudited(tokens, events)),
            wrong_verdicts=await _wrong_verdicts(system, tokens, known),
            broken_chains=tuple(one.chain for one in await verify_chains(system) if one.broken_at is not None),
        )
    finally:
        await system.store.aclose()


def _kept(tokens: dict[str, Token], entry: Entry) -> bool:
    token = tokens.get(entry["id"])
    if token is None or token.digest != Secret(entry["secret"]).digest():
        return False
    return {
        "issued": True,
        "rotated": token.rotated_to_id is not None,
        "revoked": token.revoked_at is not None,
    }[entry["what"]]


def _whole(tokens: dict[str, Token], token: Token) -> bool:
    after, before = token.rotated_to_id, token.rotated_from_id
    return (after is None or (after in tokens and tokens[after].rotated_from_id == token.id)) and (
        before is None or (before in tokens and tokens[before].rotated_to_id == token.id)
    )


def _unaudited(tokens: dict[str, Token], events: dict[tuple[str, str], int]) -> list[str]:
    expected: dict[tuple[str, str], int] = {}
    for token in tokens.values():
        expected[token.id, "token.create"] = 1
        if token.rotated_to_id is not None:
            expected[token.id, "token.rotate"] = 1
        if token.revoked_at is not None:
            expected[token.id, "token.revoke"] = 1
    told = {key: count for key, count in events.items() if key[1] != "token.refused"}
    return [
        f"{token} {action}"
        for token, action in {*expected, *told}
        if expected.get((token, action)) != told.get((token, action))
    ]


async def _wrong_verdicts(system: System, tokens: dict[str, Token], known: list[Entry]) -> tuple[str, ...]:
    verifier = build_verifier(system.store, system.products, utc_now, 0.0)
    wrong = []
    for entry in known:
        token = tokens.get(entry["id"])
        verdict: Verdict = await verifier.verify(Secret(entry["secret"]))
        revoked = token is not None and token.revoked_at is not None
        good = verdict == Rejected(Reason.REVOKED, entry["id"]) if revoked else isinstance(verdict, Authenticated)
        wrong += [] if good else [entry["id"]]
    await verifier.aclose()
    return tuple(wrong)
