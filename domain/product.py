"""Vocabulary of one product: scopes, shorthands, presets, roles, plans and key prefix.

A product is data. What it allows is computed here: :func:`expand` turns grants into scopes, and
:func:`effective_scopes` reduces them to those that the workspace's plan, policy and roles allow now.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from .key_format import KeyFormat
from .presentation import Presentation
from .principal import Kind, Limit
from .scope import MANAGEMENT_SCOPES

OWNER_ROLE = "owner"
"""Role that every product has and no workspace can change, so that any other setting can always be corrected."""


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
    description: str = ""


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
    include tokens, and existing tokens then have no scopes. ``scopes`` None allows all of the product's scopes.
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
class Product:
    """Description of one product, with everything in which it differs from others.

    Read it with :mod:`spacekey.domain.product_file`. ``key_formats`` are those of keys that may be imported.
    ``one_role`` says that a token's grants are exactly one role: neither scopes nor shorthands, nor several roles.
    """

    name: str
    title: str
    description: str
    secret_prefix: str
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
    key_formats: Mapping[str, KeyFormat] = field(default_factory=dict)
    presentation: Presentation = field(default_factory=Presentation)
    known_scopes: frozenset[str] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "known_scopes", frozenset(self.scopes) | frozenset(MANAGEMENT_SCOPES))


RoleTable = Mapping[str, Role]
"""Roles that exist in one workspace: the product's, as the workspace configured them."""


def role_table(product: Product, configured: Mapping[str, Role | None]) -> dict[str, Role]:
    """Return the product's roles overlaid with a workspace's own. None removes a role; the owner role never changes."""
    table = dict(product.roles)
    for name, role in configured.items():
        if name == OWNER_ROLE:
            continue
        if role is None:
            table.pop(name, None)
        else:
            table[name] = role
    return table


def grantable(product: Product, kind: Kind, roles: RoleTable) -> frozenset[str]:
    """Return every name that the grants of a token of this kind may include."""
    names = frozenset() if product.one_role else product.known_scopes | frozenset(product.shorthands)
    if kind is not Kind.WORKSPACE:
        return names
    configured_only = frozenset(roles) - frozenset(product.roles) if product.token_roles else frozenset()
    return names | (frozenset(product.token_roles) & frozenset(roles)) | configured_only


def expand(product: Product, grants: Iterable[str], roles: RoleTable) -> frozenset[str]:
    """Return the scopes of grants, through roles and shorthands. Names that no longer exist expand to nothing."""
    scopes: set[str] = set()
    for grant in grants:
        if grant in product.known_scopes:
            scopes.add(grant)
        elif (shorthand := product.shorthands.get(grant)) is not None:
            scopes |= shorthand.scopes
        elif (role := roles.get(grant)) is not None:
            # A role's grants are scopes and shorthands; a role inside a role would bypass the ceiling rule.
            scopes |= expand(product, role.grants, {})
    return frozenset(scopes)


def grants_reaching(product: Product, scope: str, roles: RoleTable) -> frozenset[str]:
    """Return every name whose :func:`expand` contains the scope: the scope, and the shorthands and roles with it."""
    names = {scope} & product.known_scopes
    names.update(one.name for one in product.shorthands.values() if scope in one.scopes)
    names.update(name for name, role in roles.items() if scope in expand(product, role.grants, {}))
    return frozenset(name for name in names if scope in expand(product, [name], roles))


def unresolved(product: Product, grants: Iterable[str], roles: RoleTable) -> frozenset[str]:
    """Return the names among the grants that mean nothing now, those inside roles included.

    They are no longer scopes, shorthands or roles, but may become so again: if a role is restored, or a scope returns
    to the product.
    """
    gone: set[str] = set()
    for grant in grants:
        if grant in product.known_scopes or grant in product.shorthands:
            continue
        role = roles.get(grant)
        gone |= {grant} if role is None else unresolved(product, role.grants, {})
    return frozenset(gone)


def effective_scopes(
    product: Product,
    grants: Iterable[str],
    *,
    kind: Kind,
    roles: RoleTable,
    plan: Plan | None,
    policy: Policy,
) -> frozenset[str]:
    """Return the scopes of the grants that plan, policy and roles allow now.

    The plan bounds the product's scopes for every principal. A plan without tokens leaves a token no scopes at all, and
    the policy's allowed scopes bound a token's management scopes too. A plan that the product no longer has leaves a
    token no scopes.
    """
    scopes = expand(product, grants, roles)
    own = frozenset(product.scopes)
    if plan is None or (plan.tokens_max == 0 and kind is not Kind.MEMBER):
        return scopes - own if kind is Kind.MEMBER else frozenset()
    if plan.scopes is not None:
        scopes -= own - plan.scopes
    if policy.scopes_allowed is not None and kind is not Kind.MEMBER:
        scopes &= policy.scopes_allowed
    return scopes
