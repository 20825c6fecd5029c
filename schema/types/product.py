"""GraphQL types of a product, with everything that a form for new tokens needs."""

from __future__ import annotations

from enum import Enum

import strawberry

from spacekey.domain import product as domain
from spacekey.domain.principal import Kind
from spacekey.domain.product_table import ENTRIES_MAX
from spacekey.domain.scope import MANAGEMENT_SCOPES
from spacekey.domain.secret import ENVIRONMENTS, scanner_regex
from spacekey.schema.limits.costs import at_most

from .presentation import Presentation, presentation_type
from .relay import enum_value

SCOPES_MAX = ENTRIES_MAX + len(MANAGEMENT_SCOPES)
"""The most scopes that one product knows; its file is refused with more."""
ROLE_GRANTS_MAX = SCOPES_MAX + ENTRIES_MAX
"""Every scope and every shorthand of one product."""


@strawberry.type(description="One permission.")
class Scope:
    """GraphQL type of a scope."""

    name: str = strawberry.field(description="The name of the scope, such as `jobs:read`.")
    description: str = strawberry.field(description="What the scope permits, in a sentence.")
    management: bool = strawberry.field(
        description=("Whether the scope protects Spacekey's own API. Otherwise it protects the product's API.")
    )
    label: str | None = strawberry.field(
        description="The name of the scope as shown to people. Null if they know it by its name."
    )
    use_case: str | None = strawberry.field(description="Who needs the scope, in a few words. Null if it is not said.")


@strawberry.type(
    description=(
        "A name for a set of scopes. It is resolved each time a token is used, so changing it changes existing tokens."
    )
)
class Shorthand:
    """GraphQL type of a shorthand."""

    shorthand: strawberry.Private[domain.Shorthand]
    name: str = strawberry.field(description="The name of the shorthand, as used in a token's grants.")
    title: str = strawberry.field(description="The name of the shorthand as shown to people.")
    description: str = strawberry.field(description="What the shorthand permits, in a sentence.")

    @strawberry.field(
        description="The scopes that the shorthand stands for, sorted by name.", directives=[at_most(SCOPES_MAX)]
    )
    def scopes(self) -> list[str]:
        """Return the scopes it expands to, sorted."""
        return sorted(self.shorthand.scopes)


@strawberry.type(
    description=("A list of scopes to start from when creating a token. The token gets the scopes, not the preset.")
)
class Preset:
    """GraphQL type of a preset."""

    name: str = strawberry.field(description="The name of the preset, as used in the inputs for creating tokens.")
    title: str = strawberry.field(description="The name of the preset as shown to people.")
    description: str = strawberry.field(description="What the preset is for, in a sentence.")
    scopes: list[str] = strawberry.field(
        description="The scopes that the preset adds.", directives=[at_most(SCOPES_MAX)]
    )


@strawberry.type(description="A recommendation of what to grant for a purpose.")
class UseCase:
    """GraphQL type of a use case, which has either grants or a preset."""

    title: str = strawberry.field(description="The purpose as shown to people.")
    description: str = strawberry.field(description="The purpose in more words. Empty if the title says it all.")
    grants: list[str] = strawberry.field(
        description="The scopes, shorthands or roles to grant. Empty if a preset is recommended.",
        directives=[at_most(ENTRIES_MAX)],
    )
    preset: str | None = strawberry.field(description="The preset to use. Null if grants are recommended.")


@strawberry.type(description="A named set of grants that members and workspace tokens can hold.")
class Role:
    """GraphQL type of a role, as the product or the workspace defines it."""

    role: strawberry.Private[domain.Role]
    product: strawberry.Private[domain.Product]
    roles: strawberry.Private[domain.RoleTable]
    name: str = strawberry.field(description="The name of the role, as used in grants and for members.")
    title: str = strawberry.field(description="The name of the role as shown to people.")
    description: str = strawberry.field(description="What the role is for, in a sentence.")

    @strawberry.field(
        description="The scopes and shorthands that the role consists of, as they were given.",
        directives=[at_most(ROLE_GRANTS_MAX)],
    )
    def grants(self) -> list[str]:
        """Return the scopes and shorthands it was given."""
        return list(self.role.grants)

    @strawberry.field(
        description="The scopes that the role's grants expand to, sorted by name.", directives=[at_most(SCOPES_MAX)]
    )
    def scopes(self) -> list[str]:
        """Return the scopes it expands to, sorted."""
        return sorted(domain.expand(self.product, [self.role.name], self.roles))


@strawberry.type(description="A limit on the requests made with one token.")
class RateLimit:
    """GraphQL type of a rate limit."""

    per_minute: int = strawberry.field(
        description="The number of requests per minute that a token can make continuously."
    )
    burst: int = strawberry.field(description="The number of requests that a token can make at once.")


@strawberry.type(
    description=("A plan of a product. It decides how many tokens a workspace can have and what they can do.")
)
class Plan:
    """GraphQL type of a plan."""

    plan: strawberry.Private[domain.Plan]
    name: str = strawberry.field(description="The name of the plan, as used in `updateWorkspace`.")
    title: str = strawberry.field(description="The name of the plan as shown to people.")
    max_tokens: int | None = strawberry.field(
        description=(
            "The number of tokens that a workspace on this plan can have. Null if it is not "
            "limited, 0 if the plan does not include tokens."
        )
    )
    rate_limit: RateLimit | None = strawberry.field(
        description=("The rate limit of each token of a workspace on this plan. Null if it is not limited.")
    )
    self_service: bool = strawberry.field(
        description="Whether the members of a workspace can switch to this plan themselves."
    )

    @strawberry.field(
        description=(
            "The scopes that tokens of a workspace on this plan can use, sorted by name. Null if "
            "all of the product's scopes are included."
        ),
        directives=[at_most(SCOPES_MAX)],
    )
    def scopes(self) -> list[str] | None:
        """Return the scopes that the plan includes, sorted."""
        return None if self.plan.scopes is None else sorted(self.plan.scopes)


@strawberry.enum(description="What a token belongs to.")
class TokenKind(Enum):
    """Enum of the kinds of tokens."""

    SPACE = enum_value("space", description="The token belongs to one space.")
    WORKSPACE = enum_value(
        "workspace", description="The token belongs to the workspace and is valid in all of its spaces."
    )


@strawberry.enum(description="What the grants of a token consist of.")
class GrantKind(Enum):
    """Enum of the kinds of grants."""

    SCOPES = enum_value("scopes", description="Scopes and shorthands, or roles where the product allows them.")
    ROLE = enum_value("role", description="Exactly one role, and nothing else.")


@strawberry.type(
    description=("A product: its scopes, shorthands, presets, roles and plans, and the prefix of its secrets.")
)
class Product:
    """GraphQL type of a product. Its lists are built only if selected, since every workspace of a page has one."""

    product: strawberry.Private[domain.Product]
    name: str = strawberry.field(description="The name of the product.")
    title: str = strawberry.field(description="The name of the product as shown to people.")
    description: str = strawberry.field(description="What the product is, in a sentence.")
    secret_prefix: str = strawberry.field(
        description="The first part of each of the product's secrets, such as `sp` in `sp_live_…`."
    )
    grant_kind: GrantKind = strawberry.field(description="What the grants of the product's tokens consist of.")

    @strawberry.field(
        description=("A regular expression that finds the product's secrets in text, for secret scanners.")
    )
    def secret_pattern(self) -> str:
        """Return the regular expression."""
        return scanner_regex(self.product.secret_prefix)

    @strawberry.field(
        description="The environments that tokens can be created for, the default first.",
        directives=[at_most(len(ENVIRONMENTS))],
    )
    def environments(self) -> list[str]:
        """Return the environments that tokens can be for."""
        return list(self.product.environments)

    @strawberry.field(
        description="The kinds of tokens that can be created.",
        directives=[at_most(len(Kind))],
    )
    def token_kinds(self) -> list[TokenKind]:
        """Return the kinds of tokens, sorted."""
        return [TokenKind(kind.value) for kind in sorted(self.product.token_kinds)]

    @strawberry.field(description="The names of the roles that tokens can hold.", directives=[at_most(ENTRIES_MAX)])
    def token_roles(self) -> list[str]:
        """Return the names of the roles."""
        return list(self.product.token_roles)

    @strawberry.field(
        description="The product's scopes, followed by the scopes of Spacekey's own API.",
        directives=[at_most(SCOPES_MAX)],
    )
    def scopes(self) -> list[Scope]:
        """Return the product's scopes, then the management scopes."""
        shown = self.product.presentation
        named = ((self.product.scopes, False), (MANAGEMENT_SCOPES, True))
        return [
            Scope(
                name=name,
                description=text,
                management=management,
                label=shown.labels.get(name),
                use_case=shown.use_cases.get(name),
            )
            for scopes, management in named
            for name, text in scopes.items()
        ]

    @strawberry.field(description="The product's shorthands.", directives=[at_most(ENTRIES_MAX)])
    def shorthands(self) -> list[Shorthand]:
        """Return the shorthands."""
        labels = self.product.presentation.labels
        return [
            Shorthand(shorthand=one, name=one.name, title=labels.get(one.name, one.title), description=one.description)
            for one in self.product.shorthands.values()
        ]

    @strawberry.field(description="The product's presets.", directives=[at_most(ENTRIES_MAX)])
    def presets(self) -> list[Preset]:
        """Return the presets."""
        return [
            Preset(name=one.name, title=one.title, description=one.description, scopes=list(one.scopes))
            for one in self.product.presets.values()
        ]

    @strawberry.field(description="The product's recommendations of what to grant.", directives=[at_most(ENTRIES_MAX)])
    def use_cases(self) -> list[UseCase]:
        """Return the recommendations."""
        return [
            UseCase(title=one.title, grants=list(one.grants), preset=one.preset, description=one.description)
            for one in self.product.use_cases
        ]

    @strawberry.field(
        description=(
            "The roles as the product defines them. A workspace can configure its own, see `Workspace.roles`."
        ),
        directives=[at_most(ENTRIES_MAX)],
    )
    def roles(self) -> list[Role]:
        """Return the roles as the product defines them."""
        return role_types(self.product, self.product.roles)

    @strawberry.field(description="How the product's dashboard looks and speaks.")
    def presentation(self) -> Presentation:
        """Return the presentation."""
        return presentation_type(self.product)

    @strawberry.field(description="The product's plans.", directives=[at_most(ENTRIES_MAX)])
    def plans(self) -> list[Plan]:
        """Return the plans."""
        return [plan_type(plan) for plan in self.product.plans.values()]


def product_type(product: domain.Product) -> Product:
    """Return a product as its GraphQL type."""
    return Product(
        product=product,
        name=product.name,
        title=product.title,
        description=product.description,
        secret_prefix=product.secret_prefix,
        grant_kind=GrantKind.ROLE if product.one_role else GrantKind.SCOPES,
    )


def role_types(product: domain.Product, roles: domain.RoleTable) -> list[Role]:
    """Return roles as their GraphQL type; ``expansion`` decides what they expand to."""
    return [
        Role(role=role, product=product, roles=roles, name=role.name, title=role.title, description=role.description)
        for role in roles.values()
    ]


def plan_type(plan: domain.Plan) -> Plan:
    """Return a plan as its GraphQL type."""
    return Plan(
        plan=plan,
        name=plan.name,
        title=plan.title,
        max_tokens=plan.tokens_max,
        rate_limit=None if plan.limit is None else RateLimit(per_minute=plan.limit.per_minute, burst=plan.limit.burst),
        self_service=plan.self_service,
    )
