"""Renaming of scopes, shorthands and roles that are stored under names the product no longer has.

A name that is missing from the product expands to no scopes, so renaming a scope, shorthand or role in the product file
takes it from every token, member and invitation that holds it. The functions here find such names and rename them in
the database too.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from sqlmodel.ext.asyncio.session import AsyncSession

from spacekey.domain.principal import Kind
from spacekey.domain.product import OWNER_ROLE, Product, RoleTable, grantable
from spacekey.domain.refusal import InputCode, InvalidInput
from spacekey.domain.scope import MANAGEMENT_SCOPES
from spacekey.models.queries import tokens as grant_queries
from spacekey.models.queries import workspaces as workspace_queries
from spacekey.models.queries.tokens import Holding
from spacekey.models.tables.workspace import Workspace
from spacekey.resolvers.access.caller import Operator
from spacekey.resolvers.access.entitlements import roles_from
from spacekey.resolvers.audit.log import actor_of, record
from spacekey.resolvers.system import System
from spacekey.resolvers.validation import unknown


@dataclass(slots=True)
class LostName:
    """Name that the product no longer has, with the number of its holders.

    ``roles`` counts the workspaces whose own role configuration grants it, ``policies`` those whose policy allows it.
    """

    product: str
    name: str
    tokens: int = 0
    members: int = 0
    invitations: int = 0
    roles: int = 0
    policies: int = 0

    def described(self) -> str:
        """``'jobs:peek' of emit: 3 tokens, 1 member``."""
        counts = [
            f"{count} {what if count != 1 else what.removesuffix('s')}"
            for what, count in (
                ("tokens", self.tokens),
                ("members", self.members),
                ("invitations", self.invitations),
                ("role configurations", self.roles),
            )
            if count
        ]
        if self.policies:
            counts.append("1 policy" if self.policies == 1 else f"{self.policies} policies")
        return f"'{self.name}' of {self.product}: {', '.join(counts)}"


@dataclass(slots=True)
class Renamed:
    """Counts of what was renamed, or would be. ``left`` counts holders of the old name that cannot hold the new one."""

    tokens: int = 0
    members: int = 0
    invitations: int = 0
    roles: int = 0
    policies: int = 0
    left: int = 0
    workspaces: set[str] = field(default_factory=set)


async def lost_names(system: System) -> list[LostName]:
    """Return the lost names of all loaded products, by product and name.

    Reads each token's grants once; in a database of millions that takes seconds.
    """
    found: dict[tuple[str, str], LostName] = {}

    def lost(workspace: Workspace, name: str) -> LostName:
        return found.setdefault((workspace.product, name), LostName(workspace.product, name))

    async with system.store.reading() as session:
        workspaces = {
            one.id: one for one in await workspace_queries.all_workspaces(session) if one.product in system.products
        }
        known = {one.id: _known(system.products[one.product], one) for one in workspaces.values()}

        def count(holdings: Iterable[Holding], what: str) -> None:
            for workspace_id, names, holders in holdings:
                for name in set(names) - known.get(workspace_id, set(names)):
                    one = lost(workspaces[workspace_id], name)
                    setattr(one, what, getattr(one, what) + holders)

        count(await grant_queries.token_holdings(session), "tokens")
        count(await grant_queries.member_holdings(session), "members")
        count(await grant_queries.invitation_holdings(session, system.clock()), "invitations")
    for one in workspaces.values():
        granted = {name for entry in one.roles.values() if entry is not None for name in entry["grants"]}
        for name in granted - known[one.id]:
            lost(one, name).roles += 1
        for name in set(one.scopes_allowed or ()) - known[one.id]:
            lost(one, name).policies += 1
    return [found[key] for key in sorted(found)]


async def rename_held(
    system: System, operator: Operator, product_name: str, old: str, new: str, *, dry_run: bool = False
) -> Renamed:
    """Rename a scope, shorthand or role in a product's tokens, members, invitations, role configurations and policies.

    Each workspace is changed in one transaction, with an audit event for everything that changed. Repeating the call
    changes nothing.

    :param old: a name that the product no longer has. A workspace with its own role of this name keeps it.
    :param new: a scope, shorthand or role that the product has. Management scopes and the owner role are excluded,
        because only their holders may grant them.
    :param dry_run: count without changing anything.
    :raises InvalidInput: if the product is not loaded, still has ``old``, or does not have ``new``.
    """
    product = system.products.get(product_name)
    if product is None:
        raise InvalidInput("product", unknown("product", product_name, system.products), InputCode.UNKNOWN_VALUE)
    names = product.known_scopes | frozenset(product.shorthands) | frozenset(product.roles)
    if old in names:
        raise InvalidInput(
            "old",
            f"'{old}' is still a name in this product; only names that it no longer has can be renamed.",
            InputCode.RESERVED,
        )
    if new in MANAGEMENT_SCOPES or new == OWNER_ROLE:
        raise InvalidInput(
            "new", f"'{new}' cannot be granted by renaming; grant it to each holder.", InputCode.NOT_ALLOWED
        )
    if new not in names:
        raise InvalidInput("new", unknown("scope, shorthand or role", new, names), InputCode.UNKNOWN_VALUE)
    done = Renamed()
    async with system.store.reading() as session:
        ids = [one.id for one in await grant_queries.workspaces_of_product(session, product_name)]
    for workspace_id in ids:
        opened = system.store.reading if dry_run else system.store.changing
        async with opened() as session:
            find = workspace_queries.workspace_by_id if dry_run else workspace_queries.lock_workspace
            workspace = await find(session, workspace_id)
            if workspace is not None and workspace.deleted_at is None and old not in _known(product, workspace):
                await _Renaming(session, system, operator, product, workspace, old, new, done, dry_run).run()
    return done


@dataclass(frozen=True, slots=True)
class _Renaming:
    """Renaming in one workspace, inside one transaction."""

    session: AsyncSession
    system: System
    operator: Operator
    product: Product
    workspace: Workspace
    old: str
    new: str
    done: Renamed
    dry_run: bool

    async def run(self) -> None:
        roles = roles_from(self.product, self.workspace.roles)
        await self._tokens(roles)
        await self._members_and_invitations(roles)
        await self._workspace(roles)

    async def _tokens(self, roles: RoleTable) -> None:
        async for token in grant_queries.tokens_holding(self.session, self.workspace.id, self.old):
            if self.new not in grantable(self.product, Kind(token.kind), roles):
                self.done.left += 1
                continue
            self.done.tokens += 1
            before = list(token.grants)
            if not self.dry_run:
                token.grants = self._renamed(before)
                self.session.add(token)
            await self._record("token.update", token.id, {"grants": before}, {"grants": self._renamed(before)})

    async def _members_and_invitations(self, roles: RoleTable) -> None:
        for member in await grant_queries.members_holding(self.session, self.workspace.id, self.old):
            if self.new not in roles:
                self.done.left += 1
                continue
            self.done.members += 1
            if not self.dry_run:
                member.role = self.new
                self.session.add(member)
            await self._record("member.change_role", member.user_id, {"role": self.old}, {"role": self.new})
        for invitation in await grant_queries.invitations_holding(self.session, self.workspace.id, self.old):
            if self.new not in roles:
                self.done.left += 1
                continue
            self.done.invitations += 1
            if not self.dry_run:
                invitation.role = self.new
                self.session.add(invitation)
            await self._record("member.invite", invitation.id, {"role": self.old}, {"role": self.new})

    async def _workspace(self, roles: RoleTable) -> None:
        is_role = self.new in roles
        before: dict[str, Any] = {}
        after: dict[str, Any] = {}
        configured = {
            name: None if entry is None else {**entry, "grants": self._renamed(entry["grants"])}
            for name, entry in self.workspace.roles.items()
        }
        if not is_role and configured != self.workspace.roles:
            self.done.roles += 1
            before["roles"], after["roles"] = dict(self.workspace.roles), configured
        allowed = self.workspace.scopes_allowed
        if allowed is not None and self.old in allowed and self.new in self.product.scopes:
            self.done.policies += 1
            before["scopes_allowed"], after["scopes_allowed"] = allowed, sorted(self._renamed(allowed))
        if not before:
            return
        if not self.dry_run:
            self.workspace.roles = after.get("roles", self.workspace.roles)
            self.workspace.scopes_allowed = after.get("scopes_allowed", allowed)
            self.session.add(self.workspace)
        await self._record("workspace.update", self.workspace.id, before, after)

    def _renamed(self, names: Iterable[str]) -> list[str]:
        return list(dict.fromkeys(self.new if name == self.old else name for name in names))

    async def _record(self, action: str, target_id: str, before: dict[str, Any], after: dict[str, Any]) -> None:
        self.done.workspaces.add(self.workspace.slug)
        if self.dry_run:
            return
        await record(
            self.session,
            self.system,
            actor_of(self.operator),
            chain=self.workspace.id,
            action=action,
            target_id=target_id,
            before=before,
            after=after,
        )


def _known(product: Product, workspace: Workspace) -> set[str]:
    """Return every name that resolves in the workspace now."""
    return {*product.known_scopes, *product.shorthands, *roles_from(product, workspace.roles)}
