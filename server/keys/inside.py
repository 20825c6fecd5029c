"""As whom and in whose transaction a call of ``Keys`` runs, and the checks that all of its parts share."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TypeVar

from spacekey.domain.actor import ACTOR_ID_LENGTH_MAX, ActorKind, is_actor_id
from spacekey.domain.actor import Actor as DomainActor
from spacekey.domain.page import PAGE_SIZE_MAX, Page, PageRequest
from spacekey.domain.refusal import InputCode, InvalidInput
from spacekey.domain.unset import Unset
from spacekey.models.engine.joined import HostSession, JoinedStore
from spacekey.models.migrations import run as migrations
from spacekey.resolvers.access.caller import HostCaller, RequestFacts
from spacekey.resolvers.audit.log import NAME_LENGTH_MAX
from spacekey.resolvers.system import System
from spacekey.resolvers.tokens.grants import asked_expiry
from spacekey.resolvers.validation import has_control
from spacekey.server.build import make_folder, prepare_store

from .records import ALL, Actor, All, Space, Token, Workspace

T = TypeVar("T")


class Inside:
    """System of an application's own process, made ready at its first use.

    :param system: the system, whose store is not connected yet.
    """

    def __init__(self, system: System) -> None:
        self.unprepared = system
        self._ready = False
        self._preparing = asyncio.Lock()

    async def system(self, session: HostSession | None = None) -> System:
        """Return the system, with its database checked, and migrated if it is SQLite.

        :param session: the application's session whose transaction changes are to join; None for one of their own.
        :raises ConfigurationError: PostgreSQL has another version's schema; says what to do.
        :raises ServiceUnavailable: the database does not answer.
        """
        if not self._ready:
            async with self._preparing:
                if not self._ready:
                    await prepare_store(self.unprepared.store)
                    self._ready = True
        if session is None:
            return self.unprepared
        # Nothing that joins a transaction takes access away, so nothing has to be waited for.
        return replace(self.unprepared, store=JoinedStore(self.unprepared.store, session), sleep=_no_wait)

    async def migrate(self) -> None:
        """Apply all missing migrations."""
        async with self._preparing:
            make_folder(self.unprepared.store)
            await migrations.upgrade(self.unprepared.store)
            self._ready = True


def caller(
    actor: Actor | None = None,
    *,
    workspace: Workspace | str | All = ALL,
    external_id: str | None = None,
    granted_by: Iterable[str] | None = None,
) -> HostCaller:
    """Return the application as a caller.

    :param actor: its user, who is recorded; None for the application itself.
    :param workspace: the only workspace that it reaches.
    :param external_id: whose tokens alone it reaches.
    :param granted_by: what it may grant at most; None for everything.
    :raises InvalidInput: if one of them is of the wrong type, or the actor has no id.
    """
    return HostCaller(
        RequestFacts(),
        None if actor is None else _external(actor),
        None if granted_by is None else names("granted_by", granted_by),
        workspace_id=None if workspace is ALL else workspace_id(workspace),
        external_id=None if external_id is None else text("external_id", external_id),
    )


def _external(actor: object) -> DomainActor:
    if not isinstance(actor, Actor):
        reason = "Give an Actor, such as Actor(id='user-7', name='Ada')."
        raise InvalidInput("actor", reason, InputCode.INVALID_TYPE)
    if actor.kind is not ActorKind.EXTERNAL:
        reason = "Name a user of yours: an Actor with an id and a name, and no other kind than external."
        raise InvalidInput("actor", reason, InputCode.NOT_ALLOWED)
    if not isinstance(actor.id, str) or not actor.id:
        reason = "An actor needs an id: the one of your user that never changes."
        raise InvalidInput("actor", reason, InputCode.REQUIRED)
    if not is_actor_id(actor.id):
        reason = f"The actor's id must be 1 to {ACTOR_ID_LENGTH_MAX} visible characters."
        raise InvalidInput("actor", reason, InputCode.INVALID_CHARACTERS)
    name = text("actor", actor.name)
    if len(name) > NAME_LENGTH_MAX or has_control(name):
        reason = f"The actor's name must be at most {NAME_LENGTH_MAX} characters without control characters."
        raise InvalidInput("actor", reason, InputCode.INVALID_CHARACTERS)
    return DomainActor(ActorKind.EXTERNAL, actor.id, name)


def workspace_id(workspace: Workspace | str) -> str:
    """Return the id of a workspace that is given as a record or by its id."""
    if isinstance(workspace, Workspace):
        return workspace.id
    if isinstance(workspace, str):
        return workspace
    raise InvalidInput("workspace", "Give a Workspace or its id.", InputCode.INVALID_TYPE)


def space_id(space: Space | str) -> str:
    """Return the id of a space that is given as a record or by its id."""
    return space.id if isinstance(space, Space) else text("space", space)


def token_id(token: Token | str) -> str:
    """Return the id of a token that is given as a record or by its id."""
    return token.id if isinstance(token, Token) else text("token", token)


def text(field: str, value: object) -> str:
    """Return a text.

    :raises InvalidInput: if it is anything else.
    """
    if not isinstance(value, str):
        raise InvalidInput(field, "Give a str.", InputCode.INVALID_TYPE)
    return value


def names(field: str, given: Iterable[str]) -> tuple[str, ...]:
    """Return a list of names.

    :raises InvalidInput: if it is one text, whose characters would be taken for names, or holds anything but texts.
    """
    if isinstance(given, str | bytes) or not isinstance(given, Iterable):
        raise InvalidInput(field, "Give a list of names, such as ['jobs:read'].", InputCode.INVALID_TYPE)
    return tuple(text(field, one) for one in given)


def expiry(now: datetime, expires_at: datetime | Unset | None, expires_in: timedelta | None) -> datetime | Unset | None:
    """Return the end that is asked for, from a time or a lifetime.

    :raises InvalidInput: if both are given, or the lifetime is out of range.
    """
    if expires_in is None:
        return expires_at
    if not isinstance(expires_in, timedelta):
        raise InvalidInput("expires_in", "Give a timedelta, such as timedelta(days=90).", InputCode.INVALID_TYPE)
    return asked_expiry(now, expires_at, int(expires_in.total_seconds()))


@contextmanager
def named(**arguments: str) -> Iterator[None]:
    """Name the faults of an input as the method's arguments are called, within the context.

    :param arguments: the resolvers' name of a field → the argument's.
    """
    try:
        yield
    except InvalidInput as error:
        faults = [replace(one, path=(arguments.get(one.field, one.field), *one.path[1:])) for one in error.faults]
        raise InvalidInput.of(faults) from None


def refuse_session(session: HostSession | None, does: str) -> None:
    """Raise if a change that takes access away was to join a transaction.

    :param does: what the change does, continuing "session: ".
    :raises InvalidInput: if there is a session.
    """
    if session is not None:
        reason = (
            f"{does} takes access away, so it must be committed, and then waited for, before it returns; "
            "call it without session, after your transaction has committed."
        )
        raise InvalidInput("session", reason, InputCode.NOT_ALLOWED)


async def every(fetch: Callable[[PageRequest], Awaitable[Page[T]]]) -> AsyncIterator[T]:
    """Yield all rows of a list, read page by page."""
    after = None
    while True:
        page = await fetch(PageRequest(PAGE_SIZE_MAX, after=after))
        for row in page.rows:
            yield row
        if not page.has_next or not page.cursors:
            return
        after = page.cursors[-1]


async def _no_wait(_seconds: float) -> None:
    pass
