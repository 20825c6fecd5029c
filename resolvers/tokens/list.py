"""Lists of tokens and single tokens, as a caller may see them.

The functions on a ``Reader`` serve queries; :func:`find_token` reads a row in the session of a change.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlmodel.ext.asyncio.session import AsyncSession

from spacekey.domain.external import clean_external_id
from spacekey.domain.ids import KEY, id_prefix
from spacekey.domain.page import Page, PageRequest, TokenOrder
from spacekey.domain.principal import Kind
from spacekey.domain.product import grants_reaching
from spacekey.domain.refusal import InputCode, InvalidInput, NotFound, PreconditionFailed
from spacekey.domain.secret import ENVIRONMENTS, PREFIX_LENGTH
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
    own_authorities,
)
from spacekey.resolvers.access.caller import Caller, ServiceCaller, acts_as_operator
from spacekey.resolvers.access.entitlements import scopes_of
from spacekey.resolvers.system import System
from spacekey.resolvers.validation import NAME_LENGTH_MAX, clean_actor_id, clean_moment, unknown

from .view import Precondition, TokenView, effective, view_of

DAYS_MAX = 3_660
_ELLIPSES = " …•"
"""What follows a prefix where it is shown."""


@dataclass(frozen=True, slots=True)
class TokenSearch:
    """Conditions of a list of tokens; None leaves one out.

    Days count from now, into the future or the past; ``created_by`` is an id.

    :param created_after: created at this time or later.
    :param created_before: created earlier than this time.
    :param scope: having this effective scope now, by the scope, a shorthand or a role. Tokens that are disabled,
        expired or revoked have the scopes that they would have if they were active, as lists show them.
    :param prefix: the first characters of the secret, as lists show them, with or without an ellipsis or dots.
    :param external_id: the whole external id.
    :param imported: whether the token is an imported key. One that was rotated stays an imported key; its successor is
        none.
    """

    statuses: frozenset[Status] | None = None
    environment: str | None = None
    kind: str | None = None
    text: str | None = None
    unused_days: int | None = None
    expiring_days: int | None = None
    created_by: str | None = None
    created_after: datetime | None = None
    created_before: datetime | None = None
    scope: str | None = None
    prefix: str | None = None
    external_id: str | None = None
    imported: bool | None = None


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
        where = search_filter(system, search, authority, authority.space_id or space_id, now)
        page = await token_queries.token_page(reader, where, order, descending, request, now)
        views = views_of([(authority, token) for token in page.rows], now)
        return Page(views, page.cursors, page.has_next, page.has_previous)

    return await system.store.read(read)


async def tokens_everywhere(
    system: System,
    caller: Caller,
    *,
    search: TokenSearch,
    order: TokenOrder,
    descending: bool,
    request: PageRequest,
) -> Page[TokenView]:
    """Return a page of the tokens of all workspaces in which the caller has ``tokens:read``, in one order.

    A token belongs to one workspace and sees its own tokens, a space token those of its space. A service has to name a
    workspace instead. The operator sees all
    workspaces, but cannot search all of them by scope, which stands for different grants in each.

    :raises InvalidInput: for an invalid filter or cursor.
    """
    now = system.clock()

    async def read(reader: Reader) -> Page[TokenView]:
        if isinstance(caller, ServiceCaller):
            reason = "Is required for services: they read the tokens of one workspace at a time."
            raise InvalidInput("workspace_id", reason, InputCode.REQUIRED)
        if acts_as_operator(caller):
            if search.scope is not None:
                raise InvalidInput("scope", "Name a workspace to search by scope.", InputCode.NOT_ALLOWED)
            held: dict[str, Authority] = {}
            wheres = [search_filter(system, search, None, None, now)]
        else:
            held = {one.workspace.id: one for one in await own_authorities(reader, system, caller)}
            held = {key: one for key, one in held.items() if "tokens:read" in one.scopes}
            wheres = [search_filter(system, search, one, one.space_id, now) for one in held.values()]
        page = await token_queries.merged_token_page(reader, wheres, order, descending, request, now)
        if acts_as_operator(caller):
            held = await authorities(reader, system, caller, {token.workspace_id for token in page.rows})
        # Tokens of a workspace that is deleted are left out, and make the operator's page shorter.
        shown = [
            (held[token.workspace_id], token, cursor)
            for token, cursor in zip(page.rows, page.cursors, strict=True)
            if token.workspace_id in held
        ]
        views = views_of([(authority, token) for authority, token, _ in shown], now)
        return Page(views, [cursor for *_, cursor in shown], page.has_next, page.has_previous)

    check_search(system, search)
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


def check_search(system: System, search: TokenSearch) -> None:
    """Check what can be wrong with a search wherever it is made.

    :raises InvalidInput: for an invalid condition.
    """
    search_filter(system, search, None, None, system.clock())


def search_filter(
    system: System, search: TokenSearch, authority: Authority | None, space_id: str | None, now: datetime
) -> TokenFilter:
    """Return the conditions of a search in one workspace or space.

    :param authority: the caller's, in the workspace; None for all workspaces, which leaves out the condition on scopes.
    :raises InvalidInput: for an invalid condition.
    """
    unused, expiring = search.unused_days, search.expiring_days
    if search.environment not in {None, *ENVIRONMENTS}:
        raise InvalidInput("environment", f"Write {' or '.join(ENVIRONMENTS)}.", InputCode.UNKNOWN_VALUE)
    if search.scope is not None:
        _check_scope(system, search.scope)
    return TokenFilter(
        workspace_id=None if authority is None else authority.workspace.id,
        space_id=space_id,
        statuses=search.statuses,
        environment=search.environment,
        kind=search.kind,
        text=_text(search.text),
        created_by_id=None if search.created_by is None else clean_actor_id("created_by", search.created_by),
        unused_since=None if unused is None else now - _days("unused_days", unused),
        expires_before=None if expiring is None else now + _days("expiring_days", expiring),
        created_after=None if search.created_after is None else clean_moment("created_after", search.created_after),
        created_before=None if search.created_before is None else clean_moment("created_before", search.created_before),
        prefix=None if search.prefix is None else _prefix(search.prefix),
        external_id=None if search.external_id is None else clean_external_id("external_id", search.external_id),
        owned_by=None if authority is None else authority.external_id,
        imported=search.imported,
        holding=None if search.scope is None or authority is None else _holding(authority, search.scope),
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
    return (text or "").strip().rstrip(_ELLIPSES) or None


def _prefix(text: str) -> str:
    """Return the characters of a prefix as it is shown: followed by an ellipsis, or by dots."""
    prefix = text.strip().rstrip(f"{_ELLIPSES}.")
    if not prefix:
        raise InvalidInput("prefix", "Give at least one character.", InputCode.REQUIRED)
    if len(prefix) > PREFIX_LENGTH:
        message = f"Give at most the first {PREFIX_LENGTH} characters, never a whole secret."
        raise InvalidInput("prefix", message, InputCode.TOO_LONG)
    if not (prefix.isascii() and prefix.isprintable()):
        raise InvalidInput("prefix", "No secret begins like this.", InputCode.INVALID_CHARACTERS)
    return prefix


def _check_scope(system: System, scope: str) -> None:
    """Refuse a scope that no product of this server has; where only others have it, no token has it."""
    known = frozenset[str]().union(*(product.known_scopes for product in system.products.values()))
    if scope not in known:
        raise InvalidInput("scope", unknown("scope", scope, known), InputCode.UNKNOWN_VALUE)


def _holding(authority: Authority, scope: str) -> frozenset[str]:
    """Return the grants with which a token of the workspace has the scope now; none if nothing can give it.

    What reduces the scopes of grants, the plan and the policy, is the same for each token of a workspace.
    """
    product, workspace = authority.product, authority.workspace
    if scope not in scopes_of(product, workspace, [scope], Kind.WORKSPACE):
        return frozenset()
    return grants_reaching(product, scope, authority.roles)


def _days(field: str, days: int) -> timedelta:
    if not 0 <= days <= DAYS_MAX:
        raise InvalidInput(field, f"Give 0 to {DAYS_MAX} days.", InputCode.OUT_OF_RANGE)
    return timedelta(days=days)
