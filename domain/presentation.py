"""How a product's dashboard looks and speaks: its words, colour, logo, navigation, columns, links and texts.

Everything has a default, so that a product file may say nothing of it. It changes no right and no name of an API.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

COLUMNS = (
    "name",
    "token",
    "id",
    "environment",
    "space",
    "scopes",
    "created",
    "created_by",
    "expires",
    "last_used",
    "status",
    "actions",
)
"""Columns of the table of tokens, in the order that they have by default."""
HIDDEN_COLUMNS = ("id", "created_by")
"""Columns that are shown only when a reader, or the product, chooses them."""
ACTIONS = ("copy", "edit", "rotate", "toggle", "revoke", "delete")
"""Actions that a row can show as a button. ``toggle`` disables or enables."""

FOLDED = ("expired", "revoked")
"""Statuses whose tokens a list folds away by default. They are not accepted, and most are of no more interest."""

TOKENS_PATH = "access-tokens"

CONTRAST_MIN = 4.5
"""The contrast that text needs (WCAG 2.2, 1.4.3)."""
WHITE = "#ffffff"
LIGHT_GROUND = "#f0f0f4"
"""The darkest ground of the light theme on which the accent stands as text."""
DARK_GROUND = "#262933"
"""The lightest ground of the dark theme on which the accent stands as text."""


@dataclass(frozen=True, slots=True)
class Logo:
    """Image that stands beside the product's name, checked to run nothing and to load nothing."""

    content: bytes
    media_type: str
    digest: str

    @property
    def name(self) -> str:
        """Return the name of the file that the dashboard loads, which changes with the content."""
        return f"logo.{self.digest}.{'svg' if self.media_type == 'image/svg+xml' else 'png'}"


@dataclass(frozen=True, slots=True)
class Accent:
    """Colour of buttons and links, as ``#rrggbb``: the light theme's, and a lighter one for text on the dark theme."""

    light: str
    dark: str


@dataclass(frozen=True, slots=True)
class Navigation:
    """Where the tokens stand in the navigation of a workspace: below which heading, by what name, at which path."""

    section: str = ""
    label: str = ""
    path: str = TOKENS_PATH


@dataclass(frozen=True, slots=True)
class Link:
    """Link to the product's own help."""

    title: str
    url: str


@dataclass(frozen=True, slots=True)
class Presentation:
    """What the dashboard shows in the product's own way.

    ``token`` and ``tokens`` are what a token is called. ``variable`` is the environment variable of the snippets that
    are shown after a token's creation, ``example_url`` the address that they ask. Tokens of the statuses ``folded`` are
    in the table once a reader opens them. ``labels`` and ``use_cases`` are those of scopes, and ``texts`` replace texts
    of the dashboard by their names.
    """

    token: str = "token"  # noqa: S105 - a word
    tokens: str = "tokens"
    logo: Logo | None = None
    accent: Accent | None = None
    navigation: Navigation = field(default_factory=Navigation)
    columns: tuple[str, ...] = ()
    actions: tuple[str, ...] = ()
    folded: tuple[str, ...] = FOLDED
    variable: str = ""
    example_url: str = ""
    labels: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    use_cases: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    links: tuple[Link, ...] = ()
    texts: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))


def contrast(one: str, two: str) -> float:
    """Return the contrast of two colours, from 1 to 21 (WCAG 2.2, relative luminance)."""
    darker, lighter = sorted((_luminance(one), _luminance(two)))
    return (lighter + 0.05) / (darker + 0.05)


def lightened(colour: str) -> str:
    """Return the colour, mixed with as little white as makes it readable on :data:`DARK_GROUND`."""
    for percent in range(0, 101, 2):
        mixed = "#" + "".join(f"{round(part + (255 - part) * percent / 100):02x}" for part in _parts(colour))
        if contrast(mixed, DARK_GROUND) >= CONTRAST_MIN:
            return mixed
    return WHITE


def _parts(colour: str) -> tuple[int, int, int]:
    return int(colour[1:3], 16), int(colour[3:5], 16), int(colour[5:7], 16)


def _luminance(colour: str) -> float:
    shares = [part / 255 for part in _parts(colour)]
    red, green, blue = (one / 12.92 if one <= 0.04045 else ((one + 0.055) / 1.055) ** 2.4 for one in shares)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue
