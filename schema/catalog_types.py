"""A catalog as clients see it: everything a create form needs."""

from __future__ import annotations

import strawberry

from spacekey.domain import catalog as domain
from spacekey.domain.scope import MANAGEMENT_SCOPES
from spacekey.domain.secret import scanner_regex


@strawberry.type(description="One permission.")
class Scope:
    """A scope with what it allows."""

    name: str
    description: str
    management: bool = strawberry.field(description="Whether it protects Spacekey's own API, not the product's.")


@strawberry.type(description="A name that expands to scopes when a request is authorized.")
class Shorthand:
    """A shorthand with what it stands for today."""

    name: str
    title: str
    description: str
    scopes: list[str]


@strawberry.type(description="A list the create form fills in; the token holds the single scopes.")
class Preset:
    """A preset."""

    name: str
    title: str
    description: str
    scopes: list[str]


@strawberry.type(description="A recommendation: what to grant for a purpose.")
class UseCase:
    """Either grants or a preset."""

    title: str
    grants: list[str]
    preset: str | None


@strawberry.type(description="A shorthand that members and workspace tokens hold.")
class Role:
    """A role as it is defined where it was asked for."""

    name: str
    title: str
    description: str
    grants: list[str]
    scopes: list[str] = strawberry.field(description="What the grants expand to.")


@strawberry.type(description="Requests a token may make: this many a minute, this many at once.")
class RateLimit:
    """A plan's rate."""

    per_minute: int
    burst: int


@strawberry.type(description="What a workspace has paid for.")
class Plan:
    """A plan."""

    name: str
    title: str
    tokens_max: int | None = strawberry.field(description="Null is no bound; 0: tokens are no part of the plan.")
    scopes: list[str] | None = strawberry.field(description="Null allows all of the catalog's scopes.")
    rate_limit: RateLimit | None
    self_service: bool = strawberry.field(description="Whether a workspace may choose it by itself.")


@strawberry.type(description="One product's scopes, shorthands, presets, roles, plans and key prefix.")
class Catalog:
    """A catalog."""

    name: str
    title: str
    description: str
    brand: str = strawberry.field(description="What secrets begin with.")
    secret_pattern: str = strawberry.field(description="Finds this product's secrets in text, for secret scanners.")
    environments: list[str]
    token_kinds: list[str]
    token_roles: list[str] = strawberry.field(description="The roles that tokens may hold.")
    one_role: bool = strawberry.field(description="Whether a token's grants are exactly one role, and nothing else.")
    scopes: list[Scope]
    shorthands: list[Shorthand]
    presets: list[Preset]
    use_cases: list[UseCase]
    roles: list[Role]
    plans: list[Plan]


def catalog_type(catalog: domain.Catalog) -> Catalog:
    """The GraphQL face of a catalog."""
    return Catalog(
        name=catalog.name,
        title=catalog.title,
        description=catalog.description,
        brand=catalog.brand,
        secret_pattern=scanner_regex(catalog.brand),
        environments=list(catalog.environments),
        token_kinds=sorted(catalog.token_kinds),
        token_roles=list(catalog.token_roles),
        one_role=catalog.one_role,
        scopes=[Scope(name=name, description=text, management=False) for name, text in catalog.scopes.items()]
        + [Scope(name=name, description=text, management=True) for name, text in MANAGEMENT_SCOPES.items()],
        shorthands=[
            Shorthand(name=one.name, title=one.title, description=one.description, scopes=sorted(one.scopes))
            for one in catalog.shorthands.values()
        ],
        presets=[
            Preset(name=one.name, title=one.title, description=one.description, scopes=list(one.scopes))
            for one in catalog.presets.values()
        ],
        use_cases=[UseCase(title=one.title, grants=list(one.grants), preset=one.preset) for one in catalog.use_cases],
        roles=role_types(catalog, catalog.roles),
        plans=[plan_type(plan) for plan in catalog.plans.values()],
    )


def role_types(catalog: domain.Catalog, roles: domain.RoleTable) -> list[Role]:
    """Roles with what they expand to by this table."""
    return [
        Role(
            name=role.name,
            title=role.title,
            description=role.description,
            grants=list(role.grants),
            scopes=sorted(domain.expand(catalog, [role.name], roles)),
        )
        for role in roles.values()
    ]


def plan_type(plan: domain.Plan) -> Plan:
    """The GraphQL face of a plan."""
    return Plan(
        name=plan.name,
        title=plan.title,
        tokens_max=plan.tokens_max,
        scopes=None if plan.scopes is None else sorted(plan.scopes),
        rate_limit=None if plan.limit is None else RateLimit(per_minute=plan.limit.per_minute, burst=plan.limit.burst),
        self_service=plan.self_service,
    )
