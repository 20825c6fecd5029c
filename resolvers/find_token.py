"""One token that a caller may see, with the caller's authority over it."""

from __future__ import annotations

from dataclasses import dataclass

from sqlmodel.ext.asyncio.session import AsyncSession

from spacekey.domain.ids import KEY, id_prefix
from spacekey.domain.refusal import NotFound
from spacekey.models.queries import tokens as token_queries
from spacekey.models.tables.token import Token
from spacekey.resolvers.access.authority import SessionAuthority, authority_in
from spacekey.resolvers.access.caller import Caller
from spacekey.resolvers.tokens.view import TokenView, view_of

from .system import System


@dataclass(frozen=True, slots=True)
class FoundToken:
    """A token and what the caller may do in its workspace."""

    token: Token
    authority: SessionAuthority

    def view(self, system: System) -> TokenView:
        """The token as it may be shown, right after a change: no successor has been used yet."""
        return view_of(self.token, self.authority, system.clock())


async def find_token(
    session: AsyncSession, system: System, caller: Caller, token_id: str, *, lock: bool = False
) -> FoundToken:
    """The token, when it exists, is not deleted and lies within what the caller may see.

    :param lock: hold the workspace until the transaction ends, and read the token after that.
    :raises NotFound: otherwise; an unknown, a deleted and a foreign token look the same.
    """
    token = await token_queries.token_by_id(session, token_id) if id_prefix(token_id) == KEY else None
    if token is None:
        raise NotFound("token")
    if lock:
        # Read before the lock, so perhaps old by now; and it may be the caller's own, whose authority hangs on it.
        session.expunge(token)
    try:
        authority = await authority_in(session, system, caller, token.workspace_id, lock=lock)
    except NotFound:
        raise NotFound("token") from None
    current = await token_queries.token_by_id(session, token_id) if lock else token
    if current is None or current.deleted_at is not None or not authority.covers(current):
        raise NotFound("token")
    return FoundToken(current, authority)
