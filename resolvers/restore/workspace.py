"""Replay of what was taken away in one workspace."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlmodel.ext.asyncio.session import AsyncSession

from spacekey.domain.principal import Limit
from spacekey.domain.product import OWNER_ROLE, Plan, Product, RoleTable, expand
from spacekey.models.queries import audit as audit_queries
from spacekey.models.queries import restore as restore_queries
from spacekey.models.queries import tokens as token_queries
from spacekey.models.queries import users as invitation_queries
from spacekey.models.queries import users as user_queries
from spacekey.models.queries import workspaces as workspace_queries
from spacekey.models.tables.token import Token
from spacekey.models.tables.workspace import Workspace
from spacekey.resolvers.access.caller import Operator
from spacekey.resolvers.access.entitlements import limit_of, plan_of, roles_from
from spacekey.resolvers.addresses import shown_account
from spacekey.resolvers.audit.log import Facts, actor_of, anchor, record
from spacekey.resolvers.members.invitations import end_void_invitations
from spacekey.resolvers.system import System
from spacekey.resolvers.tokens.view import audit_facts
from spacekey.resolvers.workspaces.workspaces import workspace_facts

from .report import Finding
from .taken import Last, Taken

REPLAYS = "replays"
"""Key under which an event names the event of the export that it repeats."""


@dataclass(slots=True)
class WorkspaceReplay:
    """Replay in one workspace, inside one transaction that has locked it."""

    session: AsyncSession
    system: System
    caller: Operator
    workspace: Workspace
    taken: Taken
    ended: list[Finding] = field(default_factory=list)

    async def run(self) -> None:
        """Repeat everything, the workspace's own bounds first, since what names come to depends on them."""
        if self.taken.workspace.facts.get("deleted"):
            await self._delete()
            return
        await self._workspace()
        await self._roles()
        await self._spaces()
        await self._tokens()
        await self._members()
        await self._invitations()
        await self._portal_sessions()
        if self.ended:
            await self.session.flush()
            await end_void_invitations(self.session, self.system, self.caller, self.workspace.id)

    @property
    def _product(self) -> Product:
        return self.system.product(self.workspace.product)

    @property
    def _role_table(self) -> RoleTable:
        return roles_from(self._product, self.workspace.roles)

    async def _delete(self) -> None:
        workspace, now = self.workspace, self.system.clock()
        workspace.deleted_at = now
        self.session.add(workspace)
        await workspace_queries.release_slug(self.session, workspace.slug, workspace.id, now)
        members = await workspace_queries.delete_members_of_workspace(self.session, workspace.id)
        await invitation_queries.delete_invitations_of_workspace(self.session, workspace.id)
        before = {"name": workspace.name, "slug": workspace.slug}
        last = self.taken.workspace
        await self._record("workspace.delete", workspace.id, last.event_id, before, {"memberships_ended": members})
        await anchor(self.session, self.system, [await audit_queries.lock_chain(self.session, workspace.id)])
        self._add("workspace", workspace.id, workspace.name, "it was deleted")

    async def _workspace(self) -> None:
        workspace, facts, last = self.workspace, self.taken.workspace.facts, self.taken.workspace
        before, whys = workspace_facts(workspace), []
        if facts.get("suspended_at") is not None and workspace.suspended_at is None:
            workspace.suspended_at = self.system.clock()
            whys.append("it was suspended")
        if "plan" in facts and facts["plan"] != workspace.plan:
            plan = self._product.plans.get(facts["plan"])
            if self._is_narrower(plan):
                workspace.plan = facts["plan"]
                whys.append(f"its plan became {facts['plan']}")
            else:
                self._allow_only(self._token_scopes(plan), whys, f"its plan became {facts['plan']}")
        if facts.get("scopes_allowed") is not None:
            self._allow_only(frozenset(facts["scopes_allowed"]), whys, "its policy allowed fewer scopes")
        if facts.get("per_minute") is not None and facts.get("burst") is not None:
            limit = Limit(facts["per_minute"], facts["burst"])
            held = limit_of(plan_of(self._product, workspace), workspace.per_minute, workspace.burst)
            if held is None or (limit != held and limit.per_minute <= held.per_minute and limit.burst <= held.burst):
                workspace.per_minute, workspace.burst = limit.per_minute, limit.burst
                whys.append("its limit was lowered")
        if not whys:
            return
        self.session.add(workspace)
        after = workspace_facts(workspace)
        changed = [name for name in before if before[name] != after[name]]
        await self._record(
            "workspace.update",
            workspace.id,
            last.event_id,
            {name: before[name] for name in changed},
            {name: after[name] for name in changed},
        )
        self._add("workspace", workspace.id, workspace.name, ", ".join(whys))

    def _allow_only(self, scopes: frozenset[str], whys: list[str], why: str) -> None:
        """Narrow the scopes that the policy allows to these."""
        allowed = self.workspace.scopes_allowed
        held = self._product.known_scopes if allowed is None else frozenset(allowed)
        if not held <= scopes:
            self.workspace.scopes_allowed = sorted(held & scopes)
            whys.append(why)

    def _token_scopes(self, plan: Plan | None) -> frozenset[str]:
        """Return the scopes that the plan leaves to tokens."""
        if plan is None or plan.tokens_max == 0:
            return frozenset()
        own = frozenset(self._product.scopes)
        return self._product.known_scopes - (own - (own if plan.scopes is None else plan.scopes))

    def _is_narrower(self, plan: Plan | None) -> bool:
        """Return whether the plan leaves no one more than the workspace's present plan does."""
        held, own = plan_of(self._product, self.workspace), frozenset(self._product.scopes)

        def of_members(one: Plan | None) -> frozenset[str]:
            return frozenset() if one is None else own if one.scopes is None else own & one.scopes

        return self._token_scopes(plan) <= self._token_scopes(held) and of_members(plan) <= of_members(held)

    async def _roles(self) -> None:
        for name, last in sorted(self.taken.roles.items()):
            table = self._role_table
            present, entry = table.get(name), last.facts["entry"]
            if present is None or name == OWNER_ROLE:
                continue
            others = {key: value for key, value in self.workspace.roles.items() if key != name}
            if entry is None:
                keep = name in self._product.roles
                self.workspace.roles = {**others, name: None} if keep else others
            else:
                grants = self._fewer(present.grants, entry["grants"], {})
                if grants is None:
                    continue
                entry = {"title": present.title, "description": present.description, "grants": grants}
                self.workspace.roles = {**others, name: entry}
            self.session.add(self.workspace)
            await self._record(
                "role.remove" if entry is None else "role.set",
                self.workspace.id,
                last.event_id,
                {name: list(present.grants)},
                {name: entry},
            )
            self._add("role", name, present.title, "it was removed" if entry is None else "it came to fewer scopes")

    async def _spaces(self) -> None:
        for space_id, last in sorted(self.taken.spaces.items()):
            space = await workspace_queries.space_by_id(self.session, space_id)
            if space is None or space.workspace_id != self.workspace.id or space.deleted_at is not None:
                continue
            space.deleted_at = self.system.clock()
            self.session.add(space)
            revoked = await token_queries.revoke_tokens_of_space(
                self.session, space.id, space.deleted_at, "The space was deleted."
            )
            before = {"name": space.name, "slug": space.slug, "external_id": space.external_id}
            await self._record("space.delete", space.id, last.event_id, before, {"tokens_revoked": revoked})
            self._add("space", space.id, space.name, "it was deleted")

    async def _tokens(self) -> None:
        ids = sorted(self.taken.tokens)
        for start in range(0, len(ids), BATCH):
            for token in await token_queries.tokens_by_ids(self.session, ids[start : start + BATCH]):
                if token.workspace_id == self.workspace.id and token.deleted_at is None:
                    await self._token(token, self.taken.tokens[token.id])

    async def _token(self, token: Token, last: Last) -> None:
        before = audit_facts(token)
        action, why = self._end(token, last.facts)
        if action is None:
            return
        after = audit_facts(token)
        changed = [name for name in before if before[name] != after[name]]
        self.session.add(token)
        await self._record(
            action,
            token.id,
            last.event_id,
            {name: before[name] for name in changed},
            {name: after[name] for name in changed},
        )
        self._add("token", token.id, token.name, why)

    def _end(self, token: Token, facts: Facts) -> tuple[str | None, str]:
        """Take from the token what was taken from it; return the action and why, or None if nothing was."""
        now = self.system.clock()
        if facts.get("deleted_at") is not None:
            token.deleted_at = now
            return "token.delete", "it was deleted"
        if token.revoked_at is not None:
            return None, ""
        if facts.get("revoked_at") is not None:
            token.revoked_at, token.revoked_reason = now, facts.get("revoked_reason")
            return "token.revoke", "it was revoked"
        whys = []
        if facts.get("rotated_to_id") is not None and token.rotated_to_id is None:
            ends = moment(facts["retires_at"])
            if ends <= now or facts.get("retire_on_first_use"):
                token.revoked_at = now
                token.revoked_reason = f"Rotated after the backup; the successor {facts['rotated_to_id']} is lost."
                return "token.revoke", "it was rotated, and its successor is lost"
            whys += self._expire(token, ends, "it was rotated, and its successor is lost")
        if facts.get("expires_at") is not None:
            whys += self._expire(token, moment(facts["expires_at"]), "its expiry became earlier")
        if facts.get("disabled_at") is not None and token.disabled_at is None:
            token.disabled_at = now
            whys.append("it was disabled")
            if len(whys) == 1 and "grants" not in facts:
                return "token.disable", whys[0]
        if "grants" in facts:
            grants = self._fewer(token.grants, facts["grants"], self._role_table)
            if grants is not None:
                token.grants = grants
                whys.append("it lost scopes")
        return ("token.update", ", ".join(whys)) if whys else (None, "")

    @staticmethod
    def _expire(token: Token, ends: datetime, why: str) -> list[str]:
        if token.expires_at is not None and token.expires_at <= ends:
            return []
        token.expires_at = ends
        return [why]

    def _fewer(self, held: Iterable[str], then: Iterable[str], roles: RoleTable) -> list[str] | None:
        """Return the grants that come to what both come to; None if that is what is held."""
        now, later = expand(self._product, held, roles), expand(self._product, then, roles)
        if now <= later:
            return None
        return list(then) if later <= now else sorted(now & later)

    async def _members(self) -> None:
        for user_id, last in sorted(self.taken.members.items()):
            member = await workspace_queries.member(self.session, self.workspace.id, user_id)
            user = await user_queries.user_by_id(self.session, user_id)
            if member is None or user is None:
                continue
            before, role = member.role, last.facts["role"]
            fewer = [] if role is None else self._fewer([before], [role], self._role_table)
            if fewer is None or role == OWNER_ROLE:
                continue
            keeps = role is not None and fewer == [role]
            if keeps:
                member.role = role
                self.session.add(member)
            else:
                await self.session.delete(member)
            await self.session.flush()
            await self._record(
                "member.change_role" if keeps else "member.remove",
                user_id,
                last.event_id,
                {"role": before},
                {"role": role} if keeps else {},
                target_name=shown_account(user),
            )
            why = (
                "was removed from the workspace"
                if role is None
                else f"the role became {role}"
                if keeps
                else f"the role became {role}, which is not part of {before}; add the member again"
            )
            self._add("member", user_id, user.name, why)

    async def _invitations(self) -> None:
        workspace_id = self.workspace.id
        ids = {
            one: self.taken.invitations[one]
            for one in await restore_queries.unused_among(self.session, workspace_id, self.taken.invitations)
        }
        for address, event_id in self.taken.addresses.items():
            unused = await restore_queries.unused_invitations_for(self.session, workspace_id, address or None)
            ids |= dict.fromkeys(unused, event_id)
        for user_id, last in self.taken.members.items():
            user = await user_queries.user_by_id(self.session, user_id)
            if last.facts["role"] is not None and user is not None and user.email and user.email_proven_at is not None:
                unused = await restore_queries.unused_invitations_for(self.session, workspace_id, user.email)
                ids |= dict.fromkeys(unused, last.event_id)
        for invitation_id, event_id in sorted(ids.items()):
            await invitation_queries.delete_invitations_by_id(self.session, [invitation_id])
            await self._record(
                "member.end_invitations", workspace_id, event_id, None, {"invitations_ended": [invitation_id]}
            )
            self._add("invitation", invitation_id, "", "it was accepted, withdrawn or replaced")

    async def _portal_sessions(self) -> None:
        now = self.system.clock()
        wanted = self.taken.portal_sessions
        found = await restore_queries.open_portal_sessions_among(self.session, self.workspace.id, wanted, now)
        for one in found:
            one.ended_at = now
            self.session.add(one)
            await self._record(
                "portal_session.end",
                one.id,
                wanted[one.id],
                None,
                {"person_id": one.person_id},
                target_name=one.person_name,
            )
            self._add("portal session", one.id, one.person_name, "it was ended")

    def _add(self, what: str, target_id: str, name: str, why: str) -> None:
        self.ended.append(Finding(what, target_id, name, self.workspace.slug, why))

    async def _record(
        self,
        action: str,
        target_id: str,
        event_id: str,
        before: Facts | None,
        after: Facts,
        *,
        target_name: str = "",
    ) -> None:
        await record(
            self.session,
            self.system,
            actor_of(self.caller),
            chain=self.workspace.id,
            action=action,
            target_id=target_id,
            target_name=target_name,
            before=before,
            after={**after, REPLAYS: event_id},
        )


BATCH = 500


def moment(text: Any) -> datetime:
    """Return a time as events hold it."""
    return datetime.fromisoformat(text)
