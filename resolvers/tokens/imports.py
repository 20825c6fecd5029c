"""Import of keys that another system made: their hashes become tokens, and holders notice nothing.

An imported key is verified, listed and revoked like every other token. It keeps its secret until it is rotated, which
gives a secret of the product's own. The product declares the formats of keys that may be imported
(:mod:`spacekey.domain.key_format`).
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterable, AsyncIterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlmodel.ext.asyncio.session import AsyncSession

from spacekey.domain.key_format import ROW_BYTES_MAX, KeyFormat
from spacekey.domain.refusal import Fault, Faults, InputCode, InvalidInput, UserError
from spacekey.domain.secret import PREFIX_LENGTH
from spacekey.domain.suggest import did_you_mean
from spacekey.domain.unset import UNSET, Unset
from spacekey.models.engine.store import Rehearsal
from spacekey.models.queries import tokens as token_queries
from spacekey.models.tables.token import Token
from spacekey.resolvers.access.authority import SessionAuthority, authority_in
from spacekey.resolvers.access.caller import Caller
from spacekey.resolvers.access.delegation import check_strengthening, power_of
from spacekey.resolvers.audit.log import actor_of, record
from spacekey.resolvers.system import System
from spacekey.resolvers.validation import parse_moment, unknown

from .create import NewToken, check_kind, check_room, cleaned, kind_of_new, token_row
from .view import audit_facts


@dataclass(frozen=True, slots=True)
class ImportedKey:
    """Key to import.

    :param hash: its hash, as the other system stored it.
    :param prefix: its first characters, at most 12 of which are shown in lists; by default the format's prefix.
    :param external_id: the id that the host application has for its owner.
    """

    hash: str
    name: str
    grants: tuple[str, ...] = ()
    external_id: str | None = None
    metadata: Mapping[str, Any] | None = None
    description: str = ""
    environment: str | None = None
    space_id: str | None = None
    expires_at: datetime | Unset | None = UNSET
    prefix: str | None = None


class ImportOutcome(StrEnum):
    """What became of one key."""

    IMPORTED = "imported"
    PRESENT = "present"
    """A token of the workspace has its hash already. Nothing was changed."""
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class ImportedRow:
    """What became of one key, which is never named by its hash.

    :param number: the number of its row, from 1.
    :param token_id: of its token; None if it was refused, or would be imported.
    :param refusal: why it was refused.
    """

    number: int
    outcome: ImportOutcome
    name: str | None = None
    token_id: str | None = None
    refusal: UserError | None = None


async def import_keys(
    system: System,
    caller: Caller,
    workspace_id: str,
    format_name: str,
    keys: AsyncIterable[ImportedKey | InvalidInput],
    *,
    dry_run: bool = False,
) -> AsyncIterator[ImportedRow]:
    """Import keys of one format into a workspace, each in a transaction of its own, and yield what became of each.

    A second run imports nothing again: a key whose hash a token of the workspace has is present.

    :param format_name: the name of the format in the workspace's product file.
    :param keys: the keys; a row that could not be read is refused in its place.
    :param dry_run: check everything, and change nothing.
    :raises NotFound, Forbidden: if the workspace is not the caller's, or without ``tokens:create`` there.
    :raises InvalidInput: if the product does not declare the format.
    """
    format_ = await _format(system, caller, workspace_id, format_name)
    used = replace(system, store=Rehearsal(system.store, _nothing)) if dry_run else system
    number, seen = 0, set[bytes]()
    async for key in keys:
        number += 1
        try:
            if isinstance(key, InvalidInput):
                raise key
            yield await _import(used, caller, workspace_id, format_, key, number, seen if dry_run else set())
        except UserError as refusal:
            name = key.name if isinstance(key, ImportedKey) else None
            yield ImportedRow(number, ImportOutcome.REFUSED, name, refusal=refusal)


def read_row(line: bytes) -> ImportedKey | InvalidInput | None:
    """Return the key in a line of NDJSON; the error if it cannot be read; None for a blank line."""
    if len(line) > ROW_BYTES_MAX:
        return InvalidInput("row", f"Must be at most {ROW_BYTES_MAX} bytes.", InputCode.TOO_LONG)
    if not line.strip():
        return None
    try:
        row = json.loads(line.decode("utf-8-sig"), object_pairs_hook=_distinct, parse_constant=_no_constant)
    except (ValueError, RecursionError):
        return InvalidInput("row", "Must be one JSON object that names no member twice.", InputCode.INVALID_FORMAT)
    if not isinstance(row, dict):
        return InvalidInput("row", "Must be a JSON object.", InputCode.INVALID_TYPE)
    try:
        return imported_key(row)
    except InvalidInput as error:
        return error


_TEXTS = ("hash", "name", "external_id", "description", "environment", "space_id", "expires_at", "prefix")
_FIELDS = (*_TEXTS, "grants", "metadata")


def imported_key(row: Mapping[str, Any]) -> ImportedKey:
    """Return the key that a row of an import describes, with the members of NDJSON.

    :raises InvalidInput: with everything that is wrong with the row.
    """
    faults = Faults()
    for name in row:
        if name not in _FIELDS:
            shown = name if isinstance(name, str) and name.isprintable() and len(name) <= 60 else "(name)"
            reason = f"There is no such member.{did_you_mean(shown, _FIELDS)}"
            faults.add(Fault((shown,), InputCode.UNKNOWN_FIELD, reason))
    for name in _TEXTS:
        if name == "expires_at" and isinstance(row.get(name), datetime):
            continue
        if name in row and not isinstance(row[name], str) and (row[name] is not None or name in ("hash", "name")):
            faults.add(Fault((name,), InputCode.INVALID_TYPE, "Must be a string."))
    faults.add(*(Fault((name,), InputCode.REQUIRED, "Is required.") for name in ("hash", "name") if name not in row))
    grants = row.get("grants", [])
    if not isinstance(grants, list | tuple) or not all(isinstance(one, str) for one in grants):
        faults.add(Fault(("grants",), InputCode.INVALID_TYPE, "Must be a list of strings."))
    faults.raise_found()
    given = {name: row[name] for name in _FIELDS if row.get(name) is not None and name not in ("grants", "expires_at")}
    ends = row.get("expires_at", UNSET)
    return ImportedKey(
        **given, grants=tuple(grants), expires_at=parse_moment("expires_at", ends) if isinstance(ends, str) else ends
    )


async def _format(system: System, caller: Caller, workspace_id: str, name: str) -> KeyFormat:
    async with system.store.reading() as session:
        authority = await authority_in(session, system, caller, workspace_id)
    authority.require("tokens:create")
    found = authority.product.key_formats.get(name)
    if found is None:
        known = authority.product.key_formats
        reason = unknown("key format", name, known) + " The product file declares them, as [key_formats.NAME]."
        raise InvalidInput("format", reason, InputCode.UNKNOWN_VALUE)
    return found


async def _import(
    system: System,
    caller: Caller,
    workspace_id: str,
    format_: KeyFormat,
    key: ImportedKey,
    number: int,
    seen: set[bytes],
) -> ImportedRow:
    async with system.store.changing() as session:
        authority = await authority_in(session, system, caller, workspace_id, lock=True)
        authority.require("tokens:create")
        digest = format_.read_hash("hash", key.hash)
        known = await token_queries.token_by_digest(session, digest)
        if known is not None:
            return ImportedRow(number, ImportOutcome.PRESENT, key.name, _present(authority, known))
        if digest in seen:
            return ImportedRow(number, ImportOutcome.PRESENT, key.name)
        new = _new(workspace_id, key)
        kind = await kind_of_new(session, authority, new)
        check_kind(authority, kind)
        await check_room(session, system, authority)
        prefix = format_.shown_prefix("prefix", key.prefix, PREFIX_LENGTH)
        facts = cleaned(system, authority, kind, new)
        token = token_row(system, authority, digest, prefix, kind=kind, space_id=key.space_id, **facts)
        token.imported_from = format_.name
        check_strengthening(authority, None, power_of(token), system.clock())
        session.add(token)
        await record(
            session,
            system,
            actor_of(caller),
            chain=workspace_id,
            action="token.import",
            target_id=token.id,
            after={**audit_facts(token), "imported_from": format_.name},
        )
    seen.add(digest)
    dry_run = isinstance(system.store, Rehearsal)
    return ImportedRow(number, ImportOutcome.IMPORTED, token.name, None if dry_run else token.id)


def _present(authority: SessionAuthority, token: Token) -> str:
    """Return the id of the token that has the hash.

    :raises InvalidInput: if it is not one of the workspace's that is listed: a key belongs to one workspace.
    """
    if token.deleted_at is not None and token.workspace_id == authority.workspace.id:
        reason = "Is the hash of a key that was imported and deleted; a deleted key does not come back."
        raise InvalidInput("hash", reason, InputCode.NOT_ALLOWED)
    if not authority.covers(token):
        raise InvalidInput("hash", "Is the hash of a key that belongs elsewhere.", InputCode.NOT_ALLOWED)
    return token.id


def _new(workspace_id: str, key: ImportedKey) -> NewToken:
    return NewToken(
        workspace_id=workspace_id,
        name=key.name,
        grants=key.grants,
        space_id=key.space_id,
        description=key.description,
        environment=key.environment,
        expires_at=key.expires_at,
        external_id=key.external_id,
        metadata=key.metadata,
    )


async def _nothing(_session: AsyncSession) -> None:
    """Measure nothing: a dry run only checks."""


def _distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a name stands twice")
    return found


def _no_constant(_name: str) -> object:
    raise ValueError("NaN and Infinity are no JSON")
