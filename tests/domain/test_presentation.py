"""``[presentation]`` of a product file: what a good one says, and that every mistake names its key and remedy."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest

from spacekey.domain.errors import ProductError
from spacekey.domain.presentation import (
    CONTRAST_MIN,
    DARK_GROUND,
    LIGHT_GROUND,
    Presentation,
    contrast,
    lightened,
)
from spacekey.domain.presentation_file import LOGO_BYTES_MAX, LOGO_PIXELS_MAX, dashboard_texts
from spacekey.domain.product_file import parse_product
from support.dashboard.texts import TEXTS

SHOP = """\
name = "shop"
title = "Shop"
secret_prefix = "sh"
environments = ["live"]
default_plan = "free"
[tokens]
kinds = ["workspace"]
[scopes]
"jobs:read" = "See jobs"
[roles.owner]
every_management_scope = true
[plans.free]
"""
ROOT = Path(__file__).parents[2]
SVG = '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 8 8"><path d="M0 0h8"/></svg>'


def presentation(text: str, file: str = "shop.toml") -> Presentation:
    return parse_product(f"{SHOP}\n[presentation]\n{text}", file).presentation


def test_without_a_word_of_it_everything_has_a_default() -> None:
    made = parse_product(SHOP, "shop.toml").presentation
    assert (made.token, made.tokens, made.variable, made.columns) == ("token", "tokens", "SHOP_TOKEN", ())
    assert (made.navigation.section, made.navigation.label, made.navigation.path) == ("", "", "access-tokens")
    assert made.actions == ("edit", "rotate", "revoke")
    assert made.logo is None
    assert made.accent is None


def test_several_tokens_are_called_after_one() -> None:
    assert presentation('token = "API key"').tokens == "API keys"
    assert presentation('token = "pass"\ntokens = "passes"').tokens == "passes"


@pytest.mark.parametrize("colour", ["#0f766e", "#6d28d9", "#1d4ed8", "#000000"])
def test_the_accents_shade_for_the_dark_theme_is_readable(colour: str) -> None:
    accent = presentation(f'accent = "{colour}"').accent
    assert accent is not None
    assert contrast(accent.dark, DARK_GROUND) >= CONTRAST_MIN


def test_contrast_is_that_of_wcag() -> None:
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.01)
    assert lightened("#ffffff") == "#ffffff"


def test_the_grounds_are_those_of_the_dashboards_stylesheet() -> None:
    tokens = (ROOT / "dashboard" / "style" / "tokens.css").read_text(encoding="utf-8")
    assert f"--raised: light-dark({LIGHT_GROUND}, {DARK_GROUND});" in tokens


def test_the_names_of_texts_are_read_out_of_the_dashboard() -> None:
    assert set(dashboard_texts()) == set(TEXTS)
    assert "name" in dashboard_texts()["tokens.revokeTitle"]


@pytest.mark.parametrize(
    ("text", "key", "remedy"),
    [
        ('token = ""', "token", "what people call it"),
        (f'token = "{"x" * 41}"', "token", "at most 40"),
        ('accent = "teal"', "accent", "'#rrggbb'"),
        ('accent = "#5eead4"', "accent", "too light: its contrast is 1.3"),
        ('accent = "#0f766e"\naccent_dark = "#0f766e"', "accent_dark", "too dark"),
        ('accent_dark = "#5eead4"', "accent", "write it too"),
        ('columns = ["name", "colour"]', "columns", "unknown 'colour'; choose from name, token"),
        ('actions = ["explode"]', "actions", "unknown 'explode'; choose from copy"),
        ('variable = "api-key"', "variable", "like 'ACME_API_KEY'"),
        ('example_url = "http://example.com"', "example_url", "begins with https://"),
        ('example_url = "https://example.com/$(id)"', "example_url", "begins with https://"),
        ('example_url = "https://["', "example_url", "begins with https://"),
        ('[presentation.navigation]\npath = "API Keys"', "navigation.path", "like 'api-keys'"),
        ('[presentation.navigation]\npath = "a/b/c"', "navigation.path", "one or two"),
        ('[presentation.navigation]\npath = "members"', "navigation.path", "another page"),
        ('[presentation.scopes]\n"jobs:raed" = { label = "x" }', "scopes.jobs:raed", "Did you mean 'jobs:read'?"),
        ('[presentation.scopes]\n"jobs:read" = { lable = "x" }', "scopes.jobs:read.lable", "unknown key"),
        ('[[presentation.links]]\ntitle = "Help"', "links[0].url", "is missing"),
        ('[[presentation.links]]\ntitle = "Help"\nurl = "javascript:x"', "links[0].url", "begins with https://"),
        ('[presentation.texts]\n"tokens.craete" = "x"', "texts.tokens.craete", "Did you mean 'tokens.create'"),
        ('[presentation.texts]\n"tokens.create" = "Create {nmae}"', "texts.tokens.create", "unknown {nmae}"),
        ('logo = "missing.svg"', "logo", "cannot be read"),
        ('logo = "<svg>"', "logo", "neither a PNG nor an SVG"),
        ('logo = "<svg/>"', "logo", "with a viewBox"),
        ('colour = "red"', "colour", "unknown key"),
    ],
)
def test_a_mistake_names_key_and_remedy(text: str, key: str, remedy: str) -> None:
    with pytest.raises(ProductError) as caught:
        presentation(text)
    assert caught.value.key == f"presentation.{key}"
    assert remedy in str(caught.value)


@pytest.mark.parametrize(
    "inside",
    [
        "<script>alert(1)</script>",
        '<path d="M0 0" onload="alert(1)"/>',
        '<path d="M0 0" style="fill:url(https://example.com)"/>',
        '<rect fill="url(https://example.com/#x)"/>',
        '<use href="https://example.com/x.svg#y"/>',
        '<image href="data:image/png;base64,x"/>',
        "<foreignObject/>",
        '<a href="javascript:alert(1)"><path d="M0 0"/></a>',
        "<style>@import 'https://example.com'</style>",
    ],
)
def test_a_logo_runs_and_loads_nothing(tmp_path: Path, inside: str) -> None:
    (tmp_path / "logo.svg").write_text(SVG.replace("<path", f"{inside}<path"), encoding="utf-8")
    with pytest.raises(ProductError, match="remove it"):
        presentation('logo = "logo.svg"', str(tmp_path / "shop.toml"))


def test_a_logo_with_a_document_type_is_refused() -> None:
    bomb = '<!DOCTYPE svg [<!ENTITY a "aaaa">]>' + SVG
    with pytest.raises(ProductError, match="document type"):
        presentation(f"logo = '''{bomb}'''")


def test_a_logo_is_given_as_text_or_as_a_file(tmp_path: Path) -> None:
    inline = presentation(f"logo = '''\n{SVG}'''").logo
    (tmp_path / "logo.svg").write_text(SVG, encoding="utf-8")
    beside = presentation('logo = "logo.svg"', str(tmp_path / "shop.toml")).logo
    assert inline == beside
    assert inline is not None
    assert inline.name.endswith(".svg")


@pytest.mark.parametrize(("width", "height"), [(LOGO_PIXELS_MAX + 1, 8), (0, 8), (8, LOGO_PIXELS_MAX + 1)])
def test_a_png_has_a_bounded_size(tmp_path: Path, width: int, height: int) -> None:
    head = b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + b"IHDR" + struct.pack(">II", width, height)
    (tmp_path / "logo.png").write_bytes(head + bytes(8))
    with pytest.raises(ProductError, match="pixels"):
        presentation('logo = "logo.png"', str(tmp_path / "shop.toml"))


def test_a_large_logo_is_refused(tmp_path: Path) -> None:
    (tmp_path / "logo.svg").write_bytes(b" " * (LOGO_BYTES_MAX + 1))
    with pytest.raises(ProductError, match="larger than"):
        presentation('logo = "logo.svg"', str(tmp_path / "shop.toml"))
