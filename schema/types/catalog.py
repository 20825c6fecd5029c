"""GraphQL types of a catalog, with everything that a form for new tokens needs."""

from __future__ import annotations

import strawberry

from spacekey.domain import catalog as domain
from spacekey.domain.catalog_table import ENTRIES_MAX
from spacekey.domain.principal import Kind
from spacekey.domain.scope import MANAGEMENT_SCOPES
from spacekey.domain.secret import ENVIRONMENTS, scanner_regex
from spacekey.schema.limits.costs import at_most

SCOPES_MAX = ENTRIES_MAX + len(MANAGEMENT_SCOPES)
"""The most scopes that one catalog knows; its file is refused with more."""
ROLE_GRANTS_MAX = SCOPES_MAX + ENTRIES_MAX
"""Every scope and every shorthand of one catalog."""


@strawberry.type(description="One permission.")
class Scope:
    """GraphQL type of a scope."""

    name: str
    description: str
    management: bool = strawberry.field(description="Whether it protects Spacekey's own API, not the product's.")


@strawberry.type(description="A name that expands to scopes when a request is authorized.")
class Shorthand:
    """GraphQL type of a shorthand."""

    shorthand: strawberry.Private[domain.Shorthand]
    name: str
    title: str
    description: str

    @strawberry.field(directives=[at_most(SCOPES_MAX)])
    def scopes(self) -> list[str]:
        """Return the scopes it expands to, sorted."""
        return sorted(self.shorthand.scopes)


@strawberry.type(description="A list the create form fills in; the token holds the single scopes.")
class Preset:
    """GraphQL type of a preset."""

    name: str
    title: str
    description: str
    scopes: list[str] = strawberry.field(directives=[at_most(SCOPES_MAX)])


@strawberry.type(description="A recommendation: what to grant for a purpose.")
class UseCase:
    """GraphQL type of a use case, which has either grants or a preset."""

    title: str
    grants: list[str] = strawberry.field(directives=[at_most(ENTRIES_MAX)])
    preset: str | None


@strawberry.type(description="A shorthand that members and workspace tokens hold.")
class Role:
    """GraphQL type of a role, as the catalog or the workspace defines it."""

    role: strawberry.Private[domain.Role]
    catalog: strawberry.Private[domain.Catalog]
    roles: strawberry.Private[domain.RoleTable]
    name: str
    title: str
    description: str

    @strawberry.field(directives=[at_most(ROLE_GRANTS_MAX)])
    def grants(self) -> list[str]:
        """Return the scopes and shorthands it was given."""
        return list(self.role.grants)

    @strawberry.field(description="What the grants expand to.", directives=[at_most(SCOPES_MAX)])
    def scopes(self) -> list[str]:
        """Return the scopes it expands to, sorted."""
        return sorted(domain.expand(self.catalog, [self.role.name], self.roles))


@strawberry.type(description="Requests a token may make: this many a minute, this many at once.")
class RateLimit:
    """GraphQL type of a rate limit."""

    per_minute: int
    burst: int


@strawberry.type(description="What a workspace has paid for.")
class Plan:
    """GraphQL type of a plan."""

    plan: strawberry.Private[domain.Plan]
    name: str
    title: str
    tokens_max: int | None = strawberry.field(description="Null is no bound; 0: tokens are no part of the plan.")
    rate_limit: RateLimit | None
    self_service: bool = strawberry.field(description="Whether a workspace may choose it by itself.")

    @strawberry.field(description="Null allows all of the catalog's scopes.", directives=[at_most(SCOPES_MAX)])
    def scopes(self) -> list[str] | None:
        """Return the scopes that the plan includes, sorted."""
        return None if self.plan.scopes is None else sorted(self.plan.scopes)


@strawberry.type(description="One product's scopes, shorthands, presets, roles, plans and key prefix.")
class Catalog:
    """GraphQL type of a catalog. Its lists are built only if selected, since every workspace of a page has one."""

    catalog: strawberry.Private[domain.Catalog]
    name: str
    title: str
    description: str
    brand: str = strawberry.field(description="What secrets begin with.")
    one_role: bool = strawberry.field(description="Whether a token's grants are exactly one role, and nothing else.")

    @strawberry.field(description="Finds this product's secrets in text, for secret scanners.")
    def secret_pattern(self) -> str:
        """Return the regular expression."""
        return scanner_regex(self.catalog.brand)

    @strawberry.field(directives=[at_most(len(ENVIRONMENTS))])
    def environments(self) -> list[str]:
        """Return the environments that tokens can be for."""
        return list(self.catalog.environments)

    @strawberry.field(directives=[at_most(len(Kind))])
    def token_kinds(self) -> list[str]:
        """Return the kinds of tokens, sorted."""
        return sorted(self.catalog.token_kinds)

    @strawberry.field(description="The roles that tokens may hold.", directives=[at_most(ENTRIES_MAX)])
    def token_roles(self) -> list[str]:
        """Return the names of the roles."""
        return list(self.catalog.token_roles)

    @strawberry.field(directives=[at_most(SCOPES_MAX)])
    def scopes(self) -> list[Scope]:
        """Return the product's scopes, then the management scopes."""
        named = ((self.catalog.scopes, False), (MANAGEMENT_SCOPES, True))
        return [
            Scope(name=name, description=text, management=management)
            for scopes, management in named
            for name, text in scopes.items()
        ]

    @strawberry.field(directives=[at_most(ENTRIES_MAX)])
    def shorthands(self) -> list[Shorthand]:
        """Return the shorthands."""
        return [
            Shorthand(shorthand=one, name=one.name, title=one.title, description=one.description)
            for one in self.catalog.shorthands.values()
        ]

    @strawberry.field(directives=[at_most(ENTRIES_MAX)])
    def presets(self) -> list[Preset]:
        """Return the presets."""
        return [
            Preset(name=one.name, title=one.title, description=one.description, scopes=list(one.scopes))
            for one in self.catalog.presets.values()
        ]

    @strawberry.field(directives=[at_most(ENTRIES_MAX)])
    def use_cases(self) -> list[UseCase]:
        """Return the recommendations."""
        return [UseCase(title=one.title, grants=list(one.grants), preset=one.preset) for one in self.catalog.use_cases]

    @strawberry.field(directives=[at_most(ENTRIES_MAX)])
    def roles(self) -> list[Role]:
        """Return the roles as the catalog defines them."""
        return role_types(self.catalog, self.catalog.roles)

    @strawberry.field(directives=[at_most(ENTRIES_MAX)])
    def plans(self) -> list[Plan]:
        """Return the plans."""
        return [plan_type(plan) for plan in self.catalog.plans.values()]


def catalog_type(catalog: domain.Catalog) -> Catalog:
    """Return a catalog as its GraphQL type."""
    return Catalog(
        catalog=catalog,
        name=catalog.name,
        title=catalog.title,
        description=catalog.description,
        brand=catalog.brand,
        one_role=catalog.one_role,
    )


def role_types(catalog: domain.Catalog, roles: domain.RoleTable) -> list[Role]:
    """Return roles as their GraphQL type; ``expansion`` decides what they expand to."""
    return [
        Role(role=role, catalog=catalog, roles=roles, name=role.name, title=role.title, description=role.description)
        for role in roles.values()
    ]


def plan_type(plan: domain.Plan) -> Plan:
    """Return a plan as its GraphQL type."""
    return Plan(
        plan=plan,
        name=plan.name,
        title=plan.title,
        tokens_max=plan.tokens_max,
        rate_limit=None if plan.limit is None else RateLimit(per_minute=plan.limit.per_minute, burst=plan.limit.burst),
        self_service=plan.self_service,
    )
