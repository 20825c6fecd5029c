"""What tokens must do, written down plainly: no database, no shared code with the system but its words."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta

MANAGEMENT = frozenset(
    {
        "tokens:read", "tokens:create", "tokens:update", "tokens:disable", "tokens:revoke", "tokens:delete",
        "tokens:introspect", "spaces:read", "spaces:write", "members:read", "members:write", "workspace:read",
        "workspace:write", "audit:read", "usage:read",
    }
)  # fmt: skip
PRODUCT = frozenset({"jobs:read", "jobs:write", "queues:read", "queues:write", "dlq:read", "dlq:write"})


@dataclass
class ModelPlan:
    """``scopes`` None is everything, ``tokens_max`` None no bound."""

    tokens_max: int | None = None
    scopes: frozenset[str] | None = None


@dataclass
class ModelToken:
    """Expected state of a token."""

    id: str
    grants: tuple[str, ...]
    created: datetime
    expires: datetime | None
    space: str | None = None
    disabled: bool = False
    revoked: bool = False
    deleted: bool = False
    retires: datetime | None = None
    successor: str | None = None
    predecessor: str | None = None
    retires_predecessor: bool = False
    used: bool = False


@dataclass
class ModelWorkspace:
    """One workspace: its tokens and all that bounds them."""

    plans: dict[str, ModelPlan]
    roles: dict[str, frozenset[str]]
    plan: str
    allowed: frozenset[str] | None = None
    suspended: bool = False
    members: dict[str, str] = field(default_factory=dict)
    spaces: dict[str, bool] = field(default_factory=dict)
    tokens: dict[str, ModelToken] = field(default_factory=dict)

    def expand(self, grants: tuple[str, ...]) -> frozenset[str]:
        """Grants without any cut."""
        found: set[str] = set()
        for grant in grants:
            found |= {grant} if grant in PRODUCT | MANAGEMENT else self.roles.get(grant, frozenset())
        return frozenset(found)

    def member_scopes(self, name: str) -> frozenset[str]:
        """What a member holds now: the plan bounds the product's scopes."""
        scopes, plan = self.expand((self.members[name],)), self.plans[self.plan]
        return scopes if plan.scopes is None else (scopes & plan.scopes) | (scopes & MANAGEMENT)

    def token_scopes(self, token: ModelToken) -> frozenset[str]:
        """What a token holds now: plan, then policy."""
        scopes, plan = self.expand(token.grants), self.plans[self.plan]
        if plan.tokens_max == 0:
            return frozenset()
        if plan.scopes is not None:
            scopes = (scopes & plan.scopes) | (scopes & MANAGEMENT)
        return scopes if self.allowed is None else scopes & self.allowed

    def is_over(self, token: ModelToken, now: datetime) -> bool:
        """Ended by date or by rotation."""
        return any(end is not None and end <= now for end in (token.expires, token.retires))

    def refusal(self, token: ModelToken, now: datetime) -> str | None:
        """Why a verification must refuse, else None."""
        if token.deleted or (token.space is not None and not self.spaces[token.space]):
            return "deleted"
        if token.revoked:
            return "revoked"
        if token.retires is not None and token.retires <= now:
            return "rotated"
        if token.expires is not None and token.expires <= now:
            return "expired"
        if token.disabled:
            return "disabled"
        return "suspended" if self.suspended else None

    def status(self, token: ModelToken, now: datetime) -> str:
        """What lists must say."""
        if token.revoked:
            return "revoked"
        if self.is_over(token, now):
            return "expired"
        return "disabled" if token.disabled else "active"

    def live(self, now: datetime) -> int:
        """How many tokens take up the plan's room."""
        return sum(not (one.revoked or one.deleted or self.is_over(one, now)) for one in self.tokens.values())

    def handing_out(self, name: str, grants: tuple[str, ...]) -> str | None:
        """Why a member may not hand these grants out, else None."""
        if any(one not in self.roles and one not in PRODUCT | MANAGEMENT for one in grants):
            return "ScopeNotAllowed"
        wanted, plan = self.expand(grants), self.plans[self.plan]
        if self.allowed is not None and not wanted <= self.allowed:
            return "InvalidInput"
        lacking = wanted - self.member_scopes(name)
        if not lacking:
            return None
        own = self.expand((self.members[name],))
        return "PlanLimit" if plan.scopes is not None and lacking <= own else "ScopeNotAllowed"

    def creating(self, name: str, grants: tuple[str, ...], space: str | None, now: datetime) -> str | None:
        """Why a member may not create this token, else None."""
        if space is not None and not self.spaces[space]:
            return "NotFound"
        if "tokens:create" not in self.member_scopes(name):
            return "Forbidden"
        room = self.plans[self.plan].tokens_max
        if room is not None and self.live(now) >= room:
            return "PlanLimit"
        if space is not None and any(grant in self.roles for grant in grants):
            return "InvalidInput"
        if not grants or any(grant not in self.roles and grant not in PRODUCT | MANAGEMENT for grant in grants):
            return "InvalidInput"
        return self.handing_out(name, grants)

    def changing(self, name: str, token: ModelToken, scope: str) -> str | None:
        """Why a member may not touch a token at all, else None."""
        if token.deleted:
            return "NotFound"
        return None if scope in self.member_scopes(name) else "Forbidden"

    def holds(self, token: ModelToken, role: str, now: datetime) -> bool:
        """Whether a token holds a role and can be used, or can be made usable again."""
        over = token.revoked or token.deleted or (token.retires is not None and token.retires <= now)
        return role in token.grants and not over

    def rotating(self, name: str, token: ModelToken, now: datetime) -> str | None:
        """Why a member may not rotate it, else None."""
        refusal = self.changing(name, token, "tokens:create") or self.changing(name, token, "tokens:revoke")
        if refusal is not None:
            return refusal
        if token.successor is not None or self.status(token, now) != "active":
            return "Conflict"
        if self.plans[self.plan].tokens_max == 0:
            return "PlanLimit"
        return self.handing_out(name, token.grants)

    def rotate(self, token: ModelToken, new: ModelToken, now: datetime, grace: int, *, at_first_use: bool) -> None:
        """A successor with the same grants and lifetime; the old one's end is set."""
        new.grants, new.space, new.predecessor = token.grants, token.space, token.id
        new.expires = None if token.expires is None else now + (token.expires - token.created)
        new.retires_predecessor = at_first_use
        token.successor, token.retires = new.id, now + timedelta(seconds=grace)
        self.tokens[new.id] = new

    def use(self, token: ModelToken, now: datetime) -> None:
        """An accepted verification: a successor's first one may end its predecessor."""
        if token.retires_predecessor and not token.used and token.predecessor is not None:
            old = self.tokens[token.predecessor]
            old.retires = now if old.retires is None else min(old.retires, now)
        token.used = True

    def delete_space(self, space: str) -> None:
        """Its tokens are revoked with it."""
        self.spaces[space] = False
        for token in self.tokens.values():
            if token.space == space and not token.deleted:
                token.revoked = True
