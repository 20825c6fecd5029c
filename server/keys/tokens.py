"""Tokens through ``Keys``."""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any, TypeVar

from spacekey.domain.page import Page, PageRequest, TokenOrder
from spacekey.domain.refusal import InputCode, InvalidInput
from spacekey.domain.token_state import Status
from spacekey.domain.unset import UNSET, Unset
from spacekey.models.engine.joined import HostSession
from spacekey.resolvers.tokens.create import NewToken, create_token
from spacekey.resolvers.tokens.imports import ImportedKey, ImportedRow, import_keys, imported_key
from spacekey.resolvers.tokens.list import TokenSearch, token_list, token_view, tokens_everywhere
from spacekey.resolvers.tokens.revoke import delete_token, disable_token, enable_token, revoke_token
from spacekey.resolvers.tokens.revoke_all import revoke_all
from spacekey.resolvers.tokens.rotate import GRACE_SECONDS_DEFAULT, rotate_token
from spacekey.resolvers.tokens.update import Changed, TokenChanges, update_token
from spacekey.resolvers.tokens.view import TokenView

from .inside import Inside, caller, every, expiry, named, names, refuse_session, space_id, text, token_id, workspace_id
from .records import (
    ALL,
    Actor,
    All,
    ChangedToken,
    IssuedToken,
    RevokedTokens,
    Space,
    Token,
    Workspace,
    token_of,
)

GRACE_DEFAULT = timedelta(seconds=GRACE_SECONDS_DEFAULT)
_Choice = TypeVar("_Choice", Status, TokenOrder)


class Tokens:
    """``keys.tokens``: the tokens of a workspace.

    Each call names the workspace, as its record or its id, so that the id of a token alone, which may come from an
    address or a form, reaches no other tenant's. ``external_id`` narrows a call to the tokens of one user of yours in
    the same way. Tokens outside of that are ``NotFound``, like those that never existed. ``ALL`` as the workspace
    reaches every workspace of the loaded products.

    What a user may grant is your decision. You can leave it to ``granted_by``: beyond these names nothing is granted.

    :param workspace: the workspace of the token, as its record or its id; or ``ALL``, where a type says so.
    :param token: the token, as its record or its id.
    :param external_id: reaches the token only if it is this user's.
    :param actor: your user, who is recorded in the audit log; None if your application acts by itself.
    :param granted_by: scopes, shorthands or roles beyond which nothing is granted, such as those of the user's role.
    :param wait: False returns at once, with ``effective_at`` in the future.
    :param expires_in: a lifetime, in place of ``expires_at``.
    :param expires_at: an aware time, or None for never.
    :param name: what people see in lists.
    :param description: a note, at most 2,000 characters.
    """

    def __init__(self, inside: Inside) -> None:
        self._inside = inside

    async def create(
        self,
        workspace: Workspace | str,
        *,
        name: str,
        grants: Iterable[str] = (),
        actor: Actor | None = None,
        external_id: str | None = None,
        metadata: Mapping[str, Any] | None = None,
        space: Space | str | None = None,
        preset: str | None = None,
        description: str = "",
        environment: str | None = None,
        expires_in: timedelta | None = None,
        expires_at: datetime | Unset | None = UNSET,
        granted_by: Iterable[str] | None = None,
        session: HostSession | None = None,
    ) -> IssuedToken:
        """Create a token and return it with its secret, which is available only now.

        :param name: what people see in lists.
        :param grants: scopes, shorthands and roles of the product.
        :param external_id: whose token it is, by your id; see :meth:`revoke_all`.
        :param metadata: a JSON object of yours, at most 4 KB, which comes back in lists and in the principal.
        :param space: the space that the token is confined to.
        :param preset: a preset of the product whose scopes are added.
        :param environment: by default the product's first.
        :param expires_in: its lifetime. Without ``expires_in`` and ``expires_at`` the policy's default applies.
        :param session: an ``AsyncSession`` of yours on the same PostgreSQL database: the token is created in its
            transaction, and works once that has committed.
        :raises NotFound: if there is no such workspace or space.
        :raises InvalidInput: for values that are not acceptable, all of them at once.
        :raises PlanLimit: if the plan has no room for another token.
        :raises ScopeNotAllowed: if it is granted more than ``granted_by``.
        """
        system = await self._inside.system(session)
        new = NewToken(
            workspace_id=workspace_id(workspace),
            name=text("name", name),
            grants=names("grants", grants),
            space_id=None if space is None else space_id(space),
            preset=None if preset is None else text("preset", preset),
            description=text("description", description),
            environment=None if environment is None else text("environment", environment),
            expires_at=expiry(system.clock(), expires_at, expires_in),
            external_id=external_id,
            metadata=metadata,
        )
        asking = caller(actor, workspace=workspace, granted_by=granted_by)
        with named(space_id="space"):
            issued = await create_token(system, asking, new)
        return IssuedToken(token_of(issued.view), issued.secret, issued.effective_at)

    async def import_(
        self,
        workspace: Workspace | str,
        rows: Iterable[Mapping[str, Any]] | AsyncIterable[Mapping[str, Any]],
        *,
        key_format: str,
        actor: Actor | None = None,
        granted_by: Iterable[str] | None = None,
        dry_run: bool = False,
    ) -> AsyncIterator[ImportedRow]:
        """Import keys that another system made, by their hashes, and yield what became of each.

        Each row succeeds or fails by itself, and a key whose hash is there already stays as it is. The product file
        declares the format of the keys; see docs/how-to/import-keys.md.

        :param rows: for each key ``hash`` and ``name``, and where it has them ``grants``, ``external_id``,
            ``metadata``, ``description``, ``environment``, ``space_id``, ``expires_at`` and ``prefix``.
        :param key_format: the name of the format in the product file.
        :param dry_run: check everything, and change nothing.
        :raises NotFound: if there is no such workspace.
        :raises InvalidInput: if the product declares no such format.
        """
        system = await self._inside.system()
        asking = caller(actor, workspace=workspace, granted_by=granted_by)
        named_format = text("key_format", key_format)
        async for row in import_keys(
            system, asking, workspace_id(workspace), named_format, _keys(rows), dry_run=dry_run
        ):
            yield row

    async def list(
        self,
        workspace: Workspace | str | All,
        *,
        external_id: str | None = None,
        space: Space | str | None = None,
        statuses: Iterable[Status | str] | None = None,
        environment: str | None = None,
        search: str | None = None,
        scope: str | None = None,
        prefix: str | None = None,
        created_by: str | None = None,
        created_after: datetime | None = None,
        created_before: datetime | None = None,
        imported: bool | None = None,
        order_by: TokenOrder | str = TokenOrder.CREATED_AT,
        descending: bool = True,
    ) -> AsyncIterator[Token]:
        """Yield tokens, the newest first unless another order is given, read page by page.

        :param external_id: those of one user of yours.
        :param space: those of one space.
        :param environment: those of one environment.
        :param statuses: those that are ``active``, ``disabled``, ``expired`` or ``revoked``; deleted ones never are.
        :param search: part of the name, the description or the prefix.
        :param scope: those that have this scope now; not with ``workspace=ALL``.
        :param prefix: those whose secret begins like this, up to 12 characters.
        :param created_by: those that this actor created, by id.
        :param created_after: those created at this time or later.
        :param created_before: those created earlier than this time.
        :param imported: imported keys only, or only tokens whose secret was made here.
        :param descending: whether the order is turned around.
        :param order_by: ``created_at``, ``name``, ``last_used_at`` or ``expires_at``.
        :raises NotFound: if there is no such workspace.
        :raises InvalidInput: for a condition that no token can meet.
        """
        system = await self._inside.system()
        asking = caller(workspace=workspace, external_id=external_id)
        conditions = TokenSearch(
            statuses=None
            if statuses is None
            else frozenset(_choice(Status, "statuses", one) for one in names("statuses", statuses)),
            environment=environment,
            text=search,
            created_by=created_by,
            created_after=created_after,
            created_before=created_before,
            scope=scope,
            prefix=prefix,
            external_id=external_id,
            imported=imported,
        )
        order = _choice(TokenOrder, "order_by", order_by)
        place = None if space is None else space_id(space)
        if workspace is ALL and place is not None:
            raise InvalidInput("space", "Name the workspace of the space.", InputCode.NOT_ALLOWED)

        async def page(request: PageRequest) -> Page[TokenView]:
            if workspace is ALL:
                return await tokens_everywhere(
                    system, asking, search=conditions, order=order, descending=descending, request=request
                )
            return await token_list(
                system,
                asking,
                workspace_id(workspace),
                search=conditions,
                order=order,
                descending=descending,
                request=request,
                space_id=place,
            )

        with named(text="search"):
            async for view in every(page):
                yield token_of(view)

    async def get(
        self, workspace: Workspace | str | All, token: Token | str, *, external_id: str | None = None
    ) -> Token:
        """Return a token as it is now.

        :raises NotFound: if there is none.
        """
        system = await self._inside.system()
        view = await token_view(system, caller(workspace=workspace, external_id=external_id), token_id(token))
        return token_of(view)

    async def update(
        self,
        workspace: Workspace | str | All,
        token: Token | str,
        *,
        name: str | Unset = UNSET,
        description: str | Unset | None = UNSET,
        metadata: Mapping[str, Any] | Unset | None = UNSET,
        owner: str | Unset | None = UNSET,
        grants: Iterable[str] | Unset = UNSET,
        expires_in: timedelta | None = None,
        expires_at: datetime | Unset | None = UNSET,
        external_id: str | None = None,
        actor: Actor | None = None,
        granted_by: Iterable[str] | None = None,
        wait: bool = True,
        session: HostSession | None = None,
    ) -> ChangedToken:
        """Change a token; what is left out stays.

        :param metadata: takes the place of all of it; None for none.
        :param owner: another external id for the token; None for none.
        :param grants: take the place of all of them.
        :param external_id: changes the token only if it is this user's.
        :param session: as for :meth:`create`, for names, descriptions, metadata and owners. Grants and expiry may take
            access away.
        :raises NotFound: if there is none.
        :raises Conflict: if it is revoked.
        :raises InvalidInput, PlanLimit, ScopeNotAllowed: as :meth:`create`.
        """
        if grants is not UNSET or expires_at is not UNSET or expires_in is not None:
            refuse_session(session, "Changing grants or expiry")
        system = await self._inside.system(session)
        changes = TokenChanges(
            name=name if name is UNSET else text("name", name),
            description=description,
            grants=UNSET if grants is UNSET else names("grants", grants),
            expires_at=expiry(system.clock(), expires_at, expires_in),
            external_id=owner,
            metadata=metadata,
        )
        asking = caller(actor, workspace=workspace, external_id=external_id, granted_by=granted_by)
        with named(external_id="owner"):
            return _changed(await update_token(system, asking, token_id(token), changes, wait=wait))

    async def disable(
        self,
        workspace: Workspace | str | All,
        token: Token | str,
        *,
        external_id: str | None = None,
        actor: Actor | None = None,
        wait: bool = True,
        session: HostSession | None = None,
    ) -> ChangedToken:
        """Refuse a token until it is enabled again. Once this returns, no process accepts it.

        :param session: is refused: taking access away must be committed and then waited for.
        :raises NotFound: if there is none.
        :raises Conflict: if it is revoked.
        """
        refuse_session(session, "Disabling a token")
        system = await self._inside.system()
        asking = caller(actor, workspace=workspace, external_id=external_id)
        return _changed(await disable_token(system, asking, token_id(token), wait=wait))

    async def enable(
        self,
        workspace: Workspace | str | All,
        token: Token | str,
        *,
        external_id: str | None = None,
        actor: Actor | None = None,
        granted_by: Iterable[str] | None = None,
        session: HostSession | None = None,
    ) -> ChangedToken:
        """Accept a disabled token again.

        :param session: as for :meth:`create`.
        :raises NotFound: if there is none.
        :raises Conflict: if it is revoked.
        :raises InvalidInput, PlanLimit, ScopeNotAllowed: as :meth:`create`.
        """
        system = await self._inside.system(session)
        asking = caller(actor, workspace=workspace, external_id=external_id, granted_by=granted_by)
        return _changed(await enable_token(system, asking, token_id(token)))

    async def rotate(
        self,
        workspace: Workspace | str | All,
        token: Token | str,
        *,
        grace: timedelta = GRACE_DEFAULT,
        retire_on_first_use: bool = False,
        expires_in: timedelta | None = None,
        expires_at: datetime | Unset | None = UNSET,
        external_id: str | None = None,
        actor: Actor | None = None,
        granted_by: Iterable[str] | None = None,
        wait: bool = True,
        session: HostSession | None = None,
    ) -> IssuedToken:
        """Replace a token by a successor with the same grants, and return that with its secret.

        :param grace: how long the old one goes on working: up to 7 days.
        :param retire_on_first_use: whether the successor's first use ends the old one sooner.
        :param expires_in: the successor's lifetime; by default it has the old one's whole lifetime again.
        :param session: is refused: a rotation ends the old token.
        :raises NotFound: if there is none.
        :raises Conflict: if it is not active, or has a successor already, which the error names.
        :raises InvalidInput, PlanLimit, ScopeNotAllowed: as :meth:`create`.
        """
        refuse_session(session, "Rotating a token")
        if not isinstance(grace, timedelta):
            raise InvalidInput("grace", "Give a timedelta, such as timedelta(hours=1).", InputCode.INVALID_TYPE)
        system = await self._inside.system()
        ends = expiry(system.clock(), expires_at, expires_in)
        with named(grace_seconds="grace"):
            issued = await rotate_token(
                system,
                caller(actor, workspace=workspace, external_id=external_id, granted_by=granted_by),
                token_id(token),
                grace_seconds=int(grace.total_seconds()),
                retire_on_first_use=retire_on_first_use,
                expires_at=ends,
                wait=wait,
            )
        return IssuedToken(token_of(issued.view), issued.secret, issued.effective_at)

    async def revoke(
        self,
        workspace: Workspace | str | All,
        token: Token | str,
        *,
        reason: str | None = None,
        external_id: str | None = None,
        actor: Actor | None = None,
        wait: bool = True,
        session: HostSession | None = None,
    ) -> ChangedToken:
        """Refuse a token for good. It stays in lists. Once this returns, no process accepts it.

        :param reason: for the audit log, at most 500 characters.
        :param session: is refused: taking access away must be committed and then waited for.
        :raises NotFound: if there is none.
        """
        refuse_session(session, "Revoking a token")
        system = await self._inside.system()
        asking = caller(actor, workspace=workspace, external_id=external_id)
        return _changed(await revoke_token(system, asking, token_id(token), reason=reason, wait=wait))

    async def delete(
        self,
        workspace: Workspace | str | All,
        token: Token | str,
        *,
        external_id: str | None = None,
        actor: Actor | None = None,
        wait: bool = True,
        session: HostSession | None = None,
    ) -> ChangedToken:
        """Refuse a token for good, and remove it from lists. Once this returns, no process accepts it.

        :param session: is refused: taking access away must be committed and then waited for.
        :raises NotFound: if there is none.
        """
        refuse_session(session, "Deleting a token")
        system = await self._inside.system()
        asking = caller(actor, workspace=workspace, external_id=external_id)
        return _changed(await delete_token(system, asking, token_id(token), wait=wait))

    async def revoke_all(
        self,
        workspace: Workspace | str | All,
        *,
        external_id: str,
        reason: str | None = None,
        actor: Actor | None = None,
        wait: bool = True,
        session: HostSession | None = None,
    ) -> RevokedTokens:
        """Revoke all tokens of a user who has gone. Once this returns, no process accepts any of them.

        Two tenants may both have a "user-7", so the workspace is named; ``ALL`` is for ids that are unique in your
        whole application. Calling it again changes nothing, and waits as long: do so if the answer was lost.

        :param external_id: the user's id, as the tokens have it.
        :param reason: for the audit log, at most 500 characters.
        :param session: is refused: taking access away must be committed and then waited for.
        :raises NotFound: if there is no such workspace.
        """
        refuse_session(session, "Revoking tokens")
        system = await self._inside.system()
        home = None if workspace is ALL else workspace_id(workspace)
        owner = text("external_id", external_id)
        count, effective_at = await revoke_all(system, caller(actor), home, owner, reason=reason, wait=wait)
        return RevokedTokens(count, effective_at)


def _changed(changed: Changed) -> ChangedToken:
    return ChangedToken(token_of(changed.view), changed.effective_at)


def _choice(kind: type[_Choice], field: str, name: str) -> _Choice:
    try:
        return kind(name)
    except ValueError:
        raise InvalidInput(field, f"Choose from {', '.join(kind)}.", InputCode.UNKNOWN_VALUE) from None


async def _keys(
    rows: Iterable[Mapping[str, Any]] | AsyncIterable[Mapping[str, Any]],
) -> AsyncIterator[ImportedKey | InvalidInput]:
    """Yield the key of each row, or what is wrong with the row."""
    if isinstance(rows, AsyncIterable):
        async for row in rows:
            yield _key(row)
        return
    for row in rows:
        yield _key(row)


def _key(row: object) -> ImportedKey | InvalidInput:
    if not isinstance(row, Mapping):
        return InvalidInput("row", "Must be a mapping.", InputCode.INVALID_TYPE)
    try:
        return imported_key(row)
    except InvalidInput as error:
        return error
