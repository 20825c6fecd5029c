"""GraphQL types of how a product's dashboard looks and speaks."""

from __future__ import annotations

import strawberry

from spacekey.domain import presentation as domain
from spacekey.domain import product as products
from spacekey.domain.product_table import ENTRIES_MAX
from spacekey.schema.limits.costs import at_most

from .status import TokenStatus


@strawberry.type(description="The color of the buttons and links of a product's dashboard.")
class Accent:
    """GraphQL type of an accent."""

    light: str = strawberry.field(description="The color on the light theme, as `#rrggbb`.")
    dark: str = strawberry.field(description="The color of text on the dark theme, as `#rrggbb`.")


@strawberry.type(description="Where the tokens stand in the navigation of a workspace.")
class Navigation:
    """GraphQL type of a place in the navigation."""

    section: str = strawberry.field(description="The heading above the entry. Empty if it has none.")
    label: str = strawberry.field(description="The name of the entry. Empty for the name of tokens.")
    path: str = strawberry.field(description="The path of the page below the path of the workspace.")


@strawberry.type(description="A link to the product's own help.")
class HelpLink:
    """GraphQL type of a link."""

    title: str = strawberry.field(description="The text of the link.")
    url: str = strawberry.field(description="The URL that the link leads to.")


@strawberry.type(description="A text that replaces one of the dashboard's own.")
class ReplacedText:
    """GraphQL type of a text."""

    name: str = strawberry.field(description="The name of the text in the dashboard.")
    text: str = strawberry.field(description="The text, with values in braces.")


@strawberry.type(description="How a product's dashboard looks and speaks.")
class Presentation:
    """GraphQL type of a presentation. Its lists are built only if selected."""

    presentation: strawberry.Private[domain.Presentation]
    token: str = strawberry.field(description="What a token is called in a sentence, such as `API key`.")
    tokens: str = strawberry.field(description="What several tokens are called in a sentence, such as `API keys`.")
    variable: str = strawberry.field(description="The environment variable that examples keep a secret in.")
    example_url: str = strawberry.field(description="The URL that examples request. Empty if the product names none.")

    @strawberry.field(description="The path of the product's logo on this server. Null if it has none.")
    def logo(self) -> str | None:
        """Return the path of the logo, below the base path."""
        return None if self.presentation.logo is None else f"/assets/{self.presentation.logo.name}"

    @strawberry.field(description="The color of buttons and links. Null for the dashboard's own.")
    def accent(self) -> Accent | None:
        """Return the accent."""
        accent = self.presentation.accent
        return None if accent is None else Accent(light=accent.light, dark=accent.dark)

    @strawberry.field(description="Where the tokens stand in the navigation of a workspace.")
    def navigation(self) -> Navigation:
        """Return the place in the navigation."""
        place = self.presentation.navigation
        return Navigation(section=place.section, label=place.label, path=place.path)

    @strawberry.field(
        description="The columns of the table of tokens, in order. Empty for the dashboard's own.",
        directives=[at_most(len(domain.COLUMNS))],
    )
    def columns(self) -> list[str]:
        """Return the columns."""
        return list(self.presentation.columns)

    @strawberry.field(
        description="The actions that each row of the table shows as a button, in order.",
        directives=[at_most(len(domain.ACTIONS))],
    )
    def actions(self) -> list[str]:
        """Return the actions."""
        return list(self.presentation.actions)

    @strawberry.field(
        description="The statuses whose tokens the table leaves out until a person opens them.",
        directives=[at_most(len(domain.FOLDED))],
    )
    def folded(self) -> list[TokenStatus]:
        """Return the statuses."""
        return [TokenStatus(status) for status in self.presentation.folded]

    @strawberry.field(description="Links to the product's own help.", directives=[at_most(ENTRIES_MAX)])
    def links(self) -> list[HelpLink]:
        """Return the links."""
        return [HelpLink(title=one.title, url=one.url) for one in self.presentation.links]

    @strawberry.field(description="The texts that replace the dashboard's own.", directives=[at_most(ENTRIES_MAX)])
    def texts(self) -> list[ReplacedText]:
        """Return the replaced texts."""
        return [ReplacedText(name=name, text=text) for name, text in self.presentation.texts.items()]


def presentation_type(product: products.Product) -> Presentation:
    """Return a product's presentation as its GraphQL type."""
    made = product.presentation
    return Presentation(
        presentation=made,
        token=made.token,
        tokens=made.tokens,
        variable=made.variable,
        example_url=made.example_url,
    )
