"""Lookup of what arguments name: workspaces, spaces, accounts, tokens and products."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from pathlib import Path
from typing import TypeVar

from spacekey.domain.actor import UNKNOWN_PERSON_ID
from spacekey.domain.ids import SPACE, USER, WORKSPACE, id_prefix
from spacekey.domain.page import PAGE_SIZE_MAX, Page, PageRequest
from spacekey.domain.product import OWNER_ROLE, Product
from spacekey.domain.product_file import load_product
from spacekey.domain.refusal import InputCode, InvalidInput
from spacekey.domain.suggest import did_you_mean
from spacekey.models.queries import users as user_queries
from spacekey.models.queries import workspaces as workspace_queries
from spacekey.models.tables.audit import SYSTEM_CHAIN
from spacekey.models.tables.records import WorkspaceRecord
from spacekey.models.tables.setting import MAX_STALENESS
from spacekey.models.tables.user import User
from spacekey.models.tables.workspace import Space, Workspace
from spacekey.resolvers.addresses import clean_email, shown_account, shown_email
from spacekey.resolvers.audit.log import ACTIONS
from spacekey.resolvers.system import System
from spacekey.resolvers.validation import unknown

from .output import say
from .run import USAGE, Failure

T = TypeVar("T")

OWNERS_SHOWN = 3
CLAIMS_SHOWN = 5


async def workspace_called(system: System, name: str) -> Workspace:
    """Return the workspace with this slug or id.

    :raises Failure: it was not found; names near matches.
    """
    async with system.store.reading() as session:
        if id_prefix(name) == WORKSPACE:
            found = await workspace_queries.workspace_by_id(session, name)
        else:
            found = await workspace_queries.workspace_by_slug(session, name)
        if found is not None:
            return found
        released = await workspace_queries.released_slug(session, name)
        if released is not None:
            raise Failure(
                f"No workspace is called '{name}' any more: {released.workspace_id} was until "
                f"{released.released_at:%Y-%m-%d}. 'spacekey workspace show {released.workspace_id}' shows it."
            )
    slugs = [one.slug async for one in every_workspace(system)]
    hint = did_you_mean(name, slugs) or " 'spacekey workspace list' shows them."
    raise Failure(f"There is no workspace '{name}'.{hint}")


async def workspace_to_change(system: System, name: str) -> Workspace:
    """Return the workspace with this slug or id, and print its id, name and owners to standard error.

    A slug can move to another workspace. Every command with a change looks up its workspace here, so that the operator
    sees which one it is before the change.

    :raises Failure: it was not found.
    """
    found = await workspace_called(system, name)
    async with system.store.reading() as session:
        owners = await workspace_queries.owners_of(session, found.id, OWNER_ROLE, OWNERS_SHOWN + 1)
    shown = [f"{shown_account(one)} ({one.id})" for one in owners[:OWNERS_SHOWN]]
    more = " and others" if len(owners) > OWNERS_SHOWN else ""
    say(f"Workspace {found.id} '{found.name}' (slug {found.slug}), owned by {', '.join(shown) or 'no one'}{more}.")
    return found


async def space_to_change(system: System, name: str, workspace: str | None) -> Space:
    """Return the space with this id, or with this slug in the workspace, and print its name and its workspace.

    :raises Failure: it was not found.
    """
    home = None if workspace is None else await workspace_to_change(system, workspace)
    found = await space_called(system, name, home)
    if home is None:
        await workspace_to_change(system, found.workspace_id)
    say(f"Space {found.id} '{found.name}' (slug {found.slug}).")
    return found


async def space_called(system: System, name: str, workspace: Workspace | None = None) -> Space:
    """Return the space with this id, or with this slug in the workspace.

    :raises Failure: it was not found, or is a slug and no workspace was given.
    """
    async with system.store.reading() as session:
        found = None
        if id_prefix(name) == SPACE:
            found = await workspace_queries.space_by_id(session, name)
        elif workspace is not None:
            found = await workspace_queries.space_by_slug(session, workspace.id, name)
        else:
            raise Failure(f"SPACE: '{name}' is no id (space_…); name its workspace by -w to use its slug.", USAGE)
    if found is None or found.deleted_at is not None or (workspace is not None and found.workspace_id != workspace.id):
        where = "" if workspace is None else f" in the workspace '{workspace.slug}'"
        shows = "" if workspace is None else f" -w {workspace.slug}"
        raise Failure(f"There is no space '{name}'{where}. 'spacekey space list{shows}' shows them.")
    return found


async def account_called(system: System, name: str) -> User:
    """Return the account with this id, or the one that has proven this address, and print which one it is.

    An account that only claims the address is not returned, as any account can claim it.

    :raises Failure: it was not found; names the ids of accounts that claim the address.
    :raises InvalidInput: the text is neither an id nor an address.
    """
    if id_prefix(name) != USER:
        found = await proven_account(system, name)
        if found is not None:
            return found
        address = clean_email("account", name)
        async with system.store.reading() as session:
            claiming = await user_queries.users_claiming(session, address, CLAIMS_SHOWN)
        raise Failure(_unproven(shown_email(address), claiming))
    async with system.store.reading() as session:
        found = await user_queries.user_by_id(session, name)
    if found is None:
        raise Failure(f"There is no account '{name}'. 'spacekey user list' shows them.")
    return _named(found)


async def proven_account(system: System, address: str) -> User | None:
    """Return the account that has proven this address, and print which one it is; None if there is none.

    :raises InvalidInput: the text is no address.
    """
    email = clean_email("account", address)
    async with system.store.reading() as session:
        found = await user_queries.user_by_proven_email(session, email)
    return None if found is None else _named(found)


def _named(user: User) -> User:
    say(f"Account {user.id}: {shown_account(user)}.")
    return user


def _unproven(address: str, claiming: list[User]) -> str:
    if not claiming:
        return f"No account has the address {address}. Make one with: spacekey user create EMAIL"
    ids = ", ".join(one.id for one in claiming)
    return (
        f"No account has proven the address {address}; these claim it: {ids}. Name the one you mean by its id. "
        "If you know that the address is theirs: spacekey user prove ID"
    )


def target_id(text: str) -> str:
    """Return the text if something that is audited can have this id.

    :raises InvalidInput: otherwise.
    """
    if id_prefix(text) is not None or text in (MAX_STALENESS, SYSTEM_CHAIN, UNKNOWN_PERSON_ID):
        return text
    raise InvalidInput("target", "Write an id, such as key_…, usr_…, ws_… or space_….", InputCode.INVALID_FORMAT)


def action_called(text: str) -> str:
    """Return the action of the audit log with this name, in any case.

    :raises InvalidInput: if there is none; names near matches.
    """
    if text.lower() in ACTIONS:
        return text.lower()
    raise InvalidInput("action", unknown("action", text, ACTIONS), InputCode.UNKNOWN_VALUE)


def product_called(products: Mapping[str, Product], name: str) -> Product:
    """Return the loaded product with this name, or the product in this file.

    :raises Failure: it was not found.
    :raises ProductError: the file is invalid.
    """
    if name in products:
        return products[name]
    if name.endswith(".toml"):
        return load_product(Path(name))
    hint = did_you_mean(name, products) or f" There are: {', '.join(sorted(products))}; or name a .toml file."
    raise Failure(f"There is no product '{name}'.{hint}")


async def every_workspace(system: System) -> AsyncIterator[WorkspaceRecord]:
    """Yield all workspaces by name, read page by page."""

    async def page(request: PageRequest) -> Page[WorkspaceRecord]:
        return await system.store.read(lambda reader: workspace_queries.workspace_page(reader, request))

    async for one in every(page):
        yield one


async def every(fetch: Callable[[PageRequest], Awaitable[Page[T]]]) -> AsyncIterator[T]:
    """Yield all rows of a list, read page by page."""
    after = None
    while True:
        page = await fetch(PageRequest(PAGE_SIZE_MAX, after=after))
        for row in page.rows:
            yield row
        if not page.has_next:
            return
        after = page.cursors[-1]
