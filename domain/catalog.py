"""One product's words: scopes, shorthands, presets, roles, plans and key prefix.

A catalog is data. What it allows is computed here: :func:`expand` turns grants into scopes, and
:func:`effective_scopes` cuts them to what the workspace's plan, policy and roles allow now.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from .principal import Kind, Limit
from .scope import MANAGEMENT_SCOPES

OWNER_ROLE = "owner"
"""The role every catalog has and no workspace can change: somebody must always be able to set things right."""


@dataclass(frozen=True, slots=True)
class Shorthand:
    """A name that expands to scopes when a request is authorized."""

    name: str
    title: str
    description: str
    scopes: frozenset[str]


@dataclass(frozen=True, slots=True)
class Preset:
    """A list the create form fills in; the token then holds the single scopes."""

    name: str
    title: str
    description: str
    scopes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class UseCase:
    """A recommendation shown when choosing: who it is for, and what to grant or which preset to take."""

    title: str
    grants: tuple[str, ...]
    preset: str | None


@dataclass(frozen=True, slots=True)
class Role:
    """A shorthand that members and workspace tokens hold. ``grants`` are scopes, shorthands and management scopes."""

    name: str
    title: str
    description: str
    grants: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Plan:
    """What a workspace has paid for.

    ``tokens_max`` bounds tokens that are not revoked or deleted: None is no bound, 0 means that tokens are no part
    of the plan, and then tokens that exist have no scopes. ``scopes`` None allows all of the catalog's scopes.
    ``self_service`` says that a member who may edit the workspace may choose the plan; others are the operator's.
    """

    name: str
    title: str
    tokens_max: int | None
    scopes: frozenset[str] | None
    limit: Limit | None
    self_service: bool


@dataclass(frozen=True, slots=True)
class Policy:
    """A workspace's own limits on its tokens. Lifetimes are whole seconds; None is no limit."""

    lifetime_seconds_max: int | None = None
    lifetime_seconds_default: int | None = None
    expiry_required: bool = False
    scopes_allowed: frozenset[str] | None = None


@dataclass(frozen=True, slots=True)
class Catalog:
    """Everything one product differs in from another. Read it with :mod:`spacekey.domain.catalog_file`.

    ``one_role`` says that a token's grants are exactly one role: neither scopes nor shorthands, nor several roles.
    """

    name: str
    title: str
    description: str
    brand: str
    environments: tuple[str, ...]
    token_kinds: frozenset[Kind]
    token_roles: tuple[str, ...]
    default_plan: str
    scopes: Mapping[str, str]
    shorthands: Mapping[str, Shorthand]
    presets: Mapping[str, Preset]
    use_cases: tuple[UseCase, ...]
    roles: Mapping[str, Role]
    plans: Mapping[str, Plan]
    one_role: bool = False
    known_scopes: frozenset[str] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "known_scopes", frozenset(self.scopes) | frozenset(MANAGEMENT_SCOPES))


RoleTable = Mapping[str, Role]
"""The roles that exist in one workspace: the catalog's, as the workspace configured them."""


def role_table(catalog: Catalog, configured: Mapping[str, Role | None]) -> dict[str, Role]:
    """The catalog's roles overlaid with a workspace's own. None removes a role; the owner role never changes."""
    table = dict(catalog.roles)
    for name, role in configured.items():
        if name == OWNER_ROLE:
            continue
        if role is None:
            table.pop(name, None)
        else:
            table[name] = role
    return table


def grantable(catalog: Catalog, kind: Kind, roles: RoleTable) -> frozenset[str]:
    """Every name that may stand in the grants of a token of this kind."""
    names = frozenset() if catalog.one_role else catalog.known_scopes | frozenset(catalog.shorthands)
    if kind is not Kind.WORKSPACE:
        return names
    configured_only = frozenset(roles) - frozenset(catalog.roles) if catalog.token_roles else frozenset()
    return names | (frozenset(catalog.token_roles) & frozenset(roles)) | configured_only


def expand(catalog: Catalog, grants: Iterable[str], roles: RoleTable) -> frozenset[str]:
    """Grants → scopes, through roles and shorthands. Names that no longer exist expand to nothing."""
    scopes: set[str] = set()
    for grant in grants:
        if grant in catalog.known_scopes:
            scopes.add(grant)
        elif (shorthand := catalog.shorthands.get(grant)) is not None:
            scopes |= shorthand.scopes
        elif (role := roles.get(grant)) is not None:
            # A role's grants are scopes and shorthands; a role inside a role would be a way round the ceiling rule.
            scopes |= expand(catalog, role.grants, {})
    return frozenset(scopes)


def unresolved(catalog: Catalog, grants: Iterable[str], roles: RoleTable) -> frozenset[str]:
    """The names among the grants that mean nothing now, those inside roles included.

    They are no longer scopes, shorthands or roles, and may be again: a role restored, a scope back in the catalog.
    """
    gone: set[str] = set()
    for grant in grants:
        if grant in catalog.known_scopes or grant in catalog.shorthands:
            continue
        role = roles.get(grant)
        gone |= {grant} if role is None else unresolved(catalog, role.grants, {})
    return frozenset(gone)


def effective_scopes(
    catalog: Catalog,
    grants: Iterable[str],
    *,
    kind: Kind,
    roles: RoleTable,
    plan: Plan | None,
    policy: Policy,
) -> frozenset[str]:
    """expand(grants) ∩ what plan, policy and roles allow now.

    The plan bounds the product's scopes for everybody; for tokens a plan without tokens leaves nothing at all, and
    the policy's allowed scopes bound management scopes too. A plan the catalog no longer has leaves a token nothing.
    """
    scopes = expand(catalog, grants, roles)
    product = frozenset(catalog.scopes)
    if plan is None or (plan.tokens_max == 0 and kind is not Kind.MEMBER):
        return scopes - product if kind is Kind.MEMBER else frozenset()
    if plan.scopes is not None:
        scopes -= product - plan.scopes
    if policy.scopes_allowed is not None and kind is not Kind.MEMBER:
        scopes &= policy.scopes_allowed
    return scopes
