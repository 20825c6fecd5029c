"""Pages of tokens, and single ones, as a caller may see them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlmodel.ext.asyncio.session import AsyncSession

from spacekey.domain.page import Page, PageRequest, TokenOrder
from spacekey.domain.refusal import InvalidInput, NotFound
from spacekey.domain.secret import ENVIRONMENTS
from spacekey.domain.token_state import Status
from spacekey.models import token_queries
from spacekey.models.token import Token
from spacekey.models.token_filter import TokenFilter

from .authorities import authorities
from .authority import Authority, authority_in
from .caller import Caller
from .find_token import find_token
from .system import System
from .token_view import TokenView, view_of
from .validate import NAME_LENGTH_MAX, clean_actor_id

DAYS_MAX = 3_660


@dataclass(frozen=True, slots=True)
class TokenSearch:
    """What to list; None leaves a condition out. Days count from now, both ways; ``created_by`` is an id."""

    statuses: frozenset[Status] | None = None
    environment: str | None = None
    kind: str | None = None
    text: str | None = None
    unused_days: int | None = None
    expiring_days: int | None = None
    created_by: str | None = None


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
    """A page of a workspace's tokens, or of one of its spaces'. A space token sees its own space's only.

    :raises NotFound, Forbidden: not the caller's workspace or space, or without ``tokens:read`` there.
    :raises InvalidInput: a filter or cursor that cannot be.
    """
    async with system.store.reading() as session:
        authority = await authority_in(session, system, caller, workspace_id)
        if authority.space_id is not None and space_id not in {None, authority.space_id}:
            raise NotFound("space")
        authority.require("tokens:read")
        now = system.clock()
        where = search_filter(search, workspace_id, authority.space_id or space_id, now)
        page = await token_queries.token_page(session, where, order, descending, request, now)
        views = await views_of(session, system, [(authority, token) for token in page.rows])
    return Page(views, page.cursors, page.has_next, page.has_previous)


def search_filter(search: TokenSearch, workspace_id: str, space_id: str | None, now: datetime) -> TokenFilter:
    """The conditions of a search in one place.

    :raises InvalidInput: a condition that cannot be.
    """
    unused, expiring = search.unused_days, search.expiring_days
    if search.environment not in {None, *ENVIRONMENTS}:
        raise InvalidInput("environment", f"Write {' or '.join(ENVIRONMENTS)}.")
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


async def token_view(system: System, caller: Caller, token_id: str) -> TokenView:
    """One token.

    :raises NotFound, Forbidden: not the caller's to see, or without ``tokens:read``.
    """
    async with system.store.reading() as session:
        found = await find_token(session, system, caller, token_id)
        found.authority.require("tokens:read")
        return (await views_of(session, system, [(found.authority, found.token)]))[0]


async def token_views(system: System, caller: Caller, token_ids: Iterable[str]) -> dict[str, TokenView]:
    """Several tokens by id; those the caller may not see, and deleted ones, are left out."""
    async with system.store.reading() as session:
        tokens = await token_queries.tokens_by_ids(session, list(token_ids))
        tokens = [token for token in tokens if token.deleted_at is None]
        held = await authorities(system, caller, {token.workspace_id for token in tokens})
        seen = [
            (authority, token)
            for token in tokens
            if (authority := held.get(token.workspace_id)) is not None
            and authority.covers(token)
            and "tokens:read" in authority.scopes
        ]
        return {view.token.id: view for view in await views_of(session, system, seen)}


async def views_of(session: AsyncSession, system: System, tokens: Iterable[tuple[Authority, Token]]) -> list[TokenView]:
    """Views of tokens, each with the caller's authority over it; one statement for all their successors' first uses."""
    pairs = list(tokens)
    successors = [token.rotated_to_id for _, token in pairs if token.rotated_to_id is not None]
    used = await token_queries.first_uses(session, successors) if successors else {}
    now = system.clock()
    return [
        view_of(token, authority.workspace, authority.catalog, now, used.get(token.rotated_to_id or ""))
        for authority, token in pairs
    ]


def _text(text: str | None) -> str | None:
    if text is not None and len(text) > NAME_LENGTH_MAX:
        raise InvalidInput("text", f"Search for at most {NAME_LENGTH_MAX} characters.")
    return (text or "").strip() or None


def _days(field: str, days: int) -> timedelta:
    if not 0 <= days <= DAYS_MAX:
        raise InvalidInput(field, f"Give 0 to {DAYS_MAX} days.")
    return timedelta(days=days)
