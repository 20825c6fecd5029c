"""Lists of tokens and single tokens, as a caller may see them.

The functions on a ``Reader`` serve queries; :func:`find_token` reads a row in the session of a change.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlmodel.ext.asyncio.session import AsyncSession

from spacekey.domain.ids import KEY, id_prefix
from spacekey.domain.page import Page, PageRequest, TokenOrder
from spacekey.domain.refusal import InputCode, InvalidInput, NotFound, PreconditionFailed
from spacekey.domain.secret import ENVIRONMENTS
from spacekey.domain.token_state import Status
from spacekey.models.engine.reading import Reader
from spacekey.models.queries import tokens as token_queries
from spacekey.models.queries.tokens import TokenFilter
from spacekey.models.tables.records import TokenRecord
from spacekey.models.tables.token import Token
from spacekey.resolvers.access.authority import (
    Authority,
    SessionAuthority,
    authorities,
    authority_in,
    authority_to_read,
)
from spacekey.resolvers.access.caller import Caller
from spacekey.resolvers.system import System
from spacekey.resolvers.validation import NAME_LENGTH_MAX, clean_actor_id

from .view import Precondition, TokenView, effective, view_of

DAYS_MAX = 3_660


@dataclass(frozen=True, slots=True)
class TokenSearch:
    """Conditions of a list of tokens; None leaves one out.

    Days count from now, into the future or the past; ``created_by`` is an id.
    """

    statuses: frozenset[Status] | None = None
    environment: str | None = None
    kind: str | None = None
    text: str | None = None
    unused_days: int | None = None
    expiring_days: int | None = None
    created_by: str | None = None


@dataclass(frozen=True, slots=True)
class FoundToken:
    """A token in the session of a change, with the caller's authority in its workspace.

    :ivar successor_used_at: the first use of a successor, if that use ends the token.
    """

    token: Token
    authority: SessionAuthority
    successor_used_at: datetime | None = None

    def view(self, system: System) -> TokenView:
        """Return the view of the token as it is in the session."""
        return view_of(self.token, self.authority, system.clock(), successor_used_at=self.successor_used_at)

    def check(self, system: System, precondition: Precondition | None) -> None:
        """Raise if the client's condition about the token does not hold.

        :raises PreconditionFailed: if it does not.
        """
        if precondition is not None and not precondition(self.view(system)):
            raise PreconditionFailed("token")


async def token_list(
    system: System,
    caller: Caller,
    workspace_id: str,
    *,
    search: TokenSearch,
    order: TokenOrder,
    descending: bool,
    request: PageRequest,
    space_id: str | None = None,
) -> Page[TokenView]:
    """Return a page of the tokens of a workspace, or of one of its spaces. A space token sees its own space's only.

    :raises NotFound, Forbidden: if the workspace or space is not the caller's, or without ``tokens:read`` there.
    :raises InvalidInput: for an invalid filter or cursor.
    """

    async def read(reader: Reader) -> Page[TokenView]:
        authority = await authority_to_read(reader, system, caller, workspace_id)
        if authority.space_id is not None and space_id not in {None, authority.space_id}:
            raise NotFound("space")
        authority.require("tokens:read")
        now = system.clock()
        where = search_filter(search, workspace_id, authority.space_id or space_id, now)
        page = await token_queries.token_page(reader, where, order, descending, request, now)
        views = views_of([(authority, token) for token in page.rows], now)
        return Page(views, page.cursors, page.has_next, page.has_previous)

    return await system.store.read(read)


async def token_view(system: System, caller: Caller, token_id: str) -> TokenView:
    """Return one token.

    :raises NotFound, Forbidden: if the caller may not see it, or without ``tokens:read``.
    """

    async def read(reader: Reader) -> TokenView:
        token, authority = await token_to_read(reader, system, caller, token_id)
        authority.require("tokens:read")
        return view_of(token, authority, system.clock())

    return await system.store.read(read)


async def token_views(system: System, caller: Caller, token_ids: Iterable[str]) -> dict[str, TokenView]:
    """Return tokens by id; deleted ones and those that the caller may not see are left out."""
    wanted = list(token_ids)

    async def read(reader: Reader) -> dict[str, TokenView]:
        tokens = await token_queries.token_records(reader, wanted)
        held = await authorities(reader, system, caller, {token.workspace_id for token in tokens})
        seen = [
            (authority, token)
            for token in tokens
            if (authority := held.get(token.workspace_id)) is not None
            and authority.covers(token)
            and "tokens:read" in authority.scopes
        ]
        return {view.token.id: view for view in views_of(seen, system.clock())}

    return await system.store.read(read)


async def find_token(
    session: AsyncSession, system: System, caller: Caller, token_id: str, *, lock: bool = False
) -> FoundToken:
    """Return a token and the caller's authority over it, in the session of a change.

    :param lock: hold the workspace until the transaction ends, and read the token after that.
    :raises NotFound: if it is unknown, deleted or outside the caller's authority, which all look the same.
    """
    token = await token_queries.token_by_id(session, token_id) if id_prefix(token_id) == KEY else None
    if token is None:
        raise NotFound("token")
    if lock:
        # The token was read before the lock and may have changed; it may also be the caller's own, with its authority.
        session.expunge(token)
    try:
        authority = await authority_in(session, system, caller, token.workspace_id, lock=lock)
    except NotFound:
        raise NotFound("token") from None
    current = await token_queries.token_by_id(session, token_id) if lock else token
    if current is None or current.deleted_at is not None or not authority.covers(current):
        raise NotFound("token")
    replaced = current.rotated_to_id
    used = {} if replaced is None else await token_queries.first_uses(session, [replaced])
    return FoundToken(current, authority, used.get(replaced or ""))


async def token_to_read(reader: Reader, system: System, caller: Caller, token_id: str) -> tuple[TokenRecord, Authority]:
    """Return a token and the caller's authority over it.

    :raises NotFound: if it is unknown, deleted or outside the caller's authority, which all look the same.
    """
    found = await token_queries.token_records(reader, [token_id]) if id_prefix(token_id) == KEY else []
    for token in found:
        authority = (await authorities(reader, system, caller, [token.workspace_id])).get(token.workspace_id)
        if authority is not None and authority.covers(token):
            return token, authority
    raise NotFound("token")


def search_filter(search: TokenSearch, workspace_id: str, space_id: str | None, now: datetime) -> TokenFilter:
    """Return the conditions of a search in one workspace or space.

    :raises InvalidInput: for an invalid condition.
    """
    unused, expiring = search.unused_days, search.expiring_days
    if search.environment not in {None, *ENVIRONMENTS}:
        raise InvalidInput("environment", f"Write {' or '.join(ENVIRONMENTS)}.", InputCode.UNKNOWN_VALUE)
    return TokenFilter(
        workspace_id=workspace_id,
        space_id=space_id,
        statuses=search.statuses,
        environment=search.environment,
        kind=search.kind,
        text=_text(search.text),
        created_by_id=None if search.created_by is None else clean_actor_id("created_by", search.created_by),
        unused_since=None if unused is None else now - _days("unused_days", unused),
        expires_before=None if expiring is None else now + _days("expiring_days", expiring),
    )


def views_of(tokens: Iterable[tuple[Authority, TokenRecord]], now: datetime) -> list[TokenView]:
    """Return views of tokens, each with the caller's authority over it."""
    known: dict[tuple[str, str, tuple[str, ...]], frozenset[str]] = {}
    views = []
    for authority, token in tokens:
        granted = (token.workspace_id, token.kind, tuple(token.grants))
        scopes = known.get(granted)
        if scopes is None:
            scopes = known[granted] = effective(token, authority)
        views.append(view_of(token, authority, now, scopes=scopes))
    return views


def _text(text: str | None) -> str | None:
    if text is not None and len(text) > NAME_LENGTH_MAX:
        raise InvalidInput("text", f"Search for at most {NAME_LENGTH_MAX} characters.", InputCode.TOO_LONG)
    return (text or "").strip() or None


def _days(field: str, days: int) -> timedelta:
    if not 0 <= days <= DAYS_MAX:
        raise InvalidInput(field, f"Give 0 to {DAYS_MAX} days.", InputCode.OUT_OF_RANGE)
    return timedelta(days=days)
