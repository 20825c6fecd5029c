"""Portal sessions through ``Keys``."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from typing import Literal

from spacekey.domain.refusal import InputCode, InvalidInput
from spacekey.resolvers.portal_sessions import (
    ALL,
    OWN,
    SECONDS_DEFAULT,
    NewPortalSession,
    end_portal_sessions,
    open_portal_session,
)

from .inside import Inside, caller, names, text, workspace_id
from .records import Actor, OpenedPortalSession, Workspace


class PortalSessions:
    """``keys.portal_sessions``: bearers for your users, for a page of yours on which they manage their keys.

    The page sends it to GraphQL and REST from one of its origins. It ends by itself, with its workspace, and with
    :meth:`end`; ``keys.tokens.revoke_all`` ends it too.

    :param workspace: the workspace, as its record or its id.
    :param person: your user, whose session it is.
    """

    def __init__(self, inside: Inside) -> None:
        self._inside = inside

    async def create(
        self,
        workspace: Workspace | str,
        *,
        person: Actor,
        origins: Iterable[str],
        scopes: Iterable[str] | None = None,
        role: str | None = None,
        expires_in: timedelta = timedelta(seconds=SECONDS_DEFAULT),
        tokens: Literal["own", "workspace"] = "own",
        granted_by: Iterable[str] | None = None,
    ) -> OpenedPortalSession:
        """Open a session and return it with its secret, which is available only now.

        :param origins: the origins of your pages, 1 to 10. Requests from elsewhere are refused, and those without one.
        :param scopes: scopes and shorthands of the product, and those of tokens, ``spaces:read``, ``workspace:read``
            and ``usage:read``. By default all of the product and those of tokens.
        :param role: a role of the workspace in place of scopes, without what no session can have.
        :param expires_in: its lifetime, at most an hour.
        :param tokens: ``own`` for tokens whose external id is the person's, ``workspace`` for all.
        :param granted_by: scopes beyond which the session gets none.
        :raises NotFound: if there is no such workspace.
        :raises InvalidInput: for a value that is not acceptable.
        :raises ScopeNotAllowed: if the session would have more than ``granted_by``.
        :raises Conflict: if the workspace is suspended.
        """
        by = caller(person, workspace=workspace, granted_by=granted_by)
        new = NewPortalSession(
            workspace_id=workspace_id(workspace),
            person_id=by.actor.id,
            person_name=by.actor.name,
            origins=names("origins", origins),
            role=None if role is None else text("role", role),
            scopes=None if scopes is None else names("scopes", scopes),
            expires_in=_seconds(expires_in),
            tokens=text("tokens", tokens),
        )
        opened = await open_portal_session(await self._inside.system(), by, new)
        session = opened.session
        return OpenedPortalSession(
            id=session.id,
            workspace_id=session.workspace_id,
            person=Actor(session.person_id, session.person_name),
            scopes=opened.scopes,
            origins=tuple(session.origins),
            tokens=OWN if session.own_tokens else ALL,
            expires_at=session.expires_at,
            secret=opened.secret,
        )

    async def end(self, workspace: Workspace | str, *, person: Actor | str, actor: Actor | None = None) -> int:
        """End all sessions of a person in a workspace, and return how many there were. None is accepted after that.

        :param person: your user, or the user's id.
        :param actor: your user who ends them, who is recorded; None if your application acts by itself.
        :raises NotFound: if there is no such workspace.
        """
        person_id = person.id if isinstance(person, Actor) else text("person", person)
        system = await self._inside.system()
        return await end_portal_sessions(
            system, caller(actor, workspace=workspace), workspace_id(workspace), text("person", person_id)
        )


def _seconds(lifetime: object) -> int:
    if not isinstance(lifetime, timedelta):
        raise InvalidInput("expires_in", "Give a timedelta of at most an hour.", InputCode.INVALID_TYPE)
    return int(lifetime.total_seconds())
