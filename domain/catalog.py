"""Vocabulary of one product: scopes, shorthands, presets, roles, plans and key prefix.

A catalog is data. What it allows is computed here: :func:`expand` turns grants into scopes, and
:func:`effective_scopes` reduces them to those that the workspace's plan, policy and roles allow now.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from .principal import Kind, Limit
from .scope import MANAGEMENT_SCOPES

OWNER_ROLE = "owner"
"""Role that every catalog has and no workspace can change, so that any other setting can always be corrected."""


@dataclass(frozen=True, slots=True)
class Shorthand:
    """Name that expands to scopes when a request is authorized."""

    name: str
    title: str
    description: str
    scopes: frozenset[str]


@dataclass(frozen=True, slots=True)
class Preset:
    """List that the create form fills in; the token then holds the single scopes."""

    name: str
    title: str
    description: str
    scopes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class UseCase:
    """Recommendation shown when choosing: who it is for, and what to grant or which preset to take."""

    title: str
    grants: tuple[str, ...]
    preset: str | None


@dataclass(frozen=True, slots=True)
class Role:
    """Shorthand that members and workspace tokens hold. ``grants`` are scopes, shorthands and management scopes."""

    name: str
    title: str
    description: str
    grants: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Plan:
    """Plan that a workspace has paid for.

    ``tokens_max`` bounds the tokens that are not revoked or deleted. None is no bound; 0 means that the plan does not
    include tokens, and existing tokens then have no scopes. ``scopes`` None allows all of the catalog's scopes.
    ``self_service`` says that a member who may edit the workspace may choose the plan; others are the operator's to
    give.
    """

    name: str
    title: str
    tokens_max: int | None
    scopes: frozenset[str] | None
    limit: Limit | None
    self_service: bool


@dataclass(frozen=True, slots=True)
class Policy:
    """Limits that a workspace sets on its own tokens. Lifetimes are whole seconds; None is no limit."""

    lifetime_seconds_max: int | None = None
    lifetime_seconds_default: int | None = None
    expiry_required: bool = False
    scopes_allowed: frozenset[str] | None = None


@dataclass(frozen=True, slots=True)
class Catalog:
    """Description of one product, with everything in which it differs from others.

    Read it with :mod:`spacekey.domain.catalog_file`. ``one_role`` says that a token's grants are exactly one role:
    neither scopes nor shorthands, nor several roles.
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
"""Roles that exist in one workspace: the catalog's, as the workspace configured them."""


def role_table(catalog: Catalog, configured: Mapping[str, Role | None]) -> dict[str, Role]:
    """Return the catalog's roles overlaid with a workspace's own. None removes a role; the owner role never changes."""
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
    """Return every name that the grants of a token of this kind may include."""
    names = frozenset() if catalog.one_role else catalog.known_scopes | frozenset(catalog.shorthands)
    if kind is not Kind.WORKSPACE:
        return names
    configured_only = frozenset(roles) - frozenset(catalog.roles) if catalog.token_roles else frozenset()
    return names | (frozenset(catalog.token_roles) & frozenset(roles)) | configured_only


def expand(catalog: Catalog, grants: Iterable[str], roles: RoleTable) -> frozenset[str]:
    """Return the scopes of grants, through roles and shorthands. Names that no longer exist expand to nothing."""
    scopes: set[str] = set()
    for grant in grants:
        if grant in catalog.known_scopes:
            scopes.add(grant)
        elif (shorthand := catalog.shorthands.get(grant)) is not None:
            scopes |= shorthand.scopes
        elif (role := roles.get(grant)) is not None:
            # A role's grants are scopes and shorthands; a role inside a role would bypass the ceiling rule.
            scopes |= expand(catalog, role.grants, {})
    return frozenset(scopes)


def unresolved(catalog: Catalog, grants: Iterable[str], roles: RoleTable) -> frozenset[str]:
    """Return the names among the grants that mean nothing now, those inside roles included.

    They are no longer scopes, shorthands or roles, but may become so again: if a role is restored, or a scope returns
    to the catalog.
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
    """Return the scopes of the grants that plan, policy and roles allow now.

    The plan bounds the product's scopes for every principal. A plan without tokens leaves a token no scopes at all, and
    the policy's allowed scopes bound a token's management scopes too. A plan that the catalog no longer has leaves a
    token no scopes.
    """
    scopes = expand(catalog, grants, roles)
    own = frozenset(catalog.scopes)
    if plan is None or (plan.tokens_max == 0 and kind is not Kind.MEMBER):
        return scopes - own if kind is Kind.MEMBER else frozenset()
    if plan.scopes is not None:
        scopes -= own - plan.scopes
    if policy.scopes_allowed is not None and kind is not Kind.MEMBER:
        scopes &= policy.scopes_allowed
    return scopes
