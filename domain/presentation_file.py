"""The ``[presentation]`` part of a product file: from checked TOML to a :class:`Presentation`."""

from __future__ import annotations

import hashlib
import re
import struct
from collections.abc import Collection, Mapping
from functools import cache
from pathlib import Path
from types import MappingProxyType
from urllib.parse import urlsplit
from xml.etree import ElementTree

from .presentation import (
    ACTIONS,
    COLUMNS,
    CONTRAST_MIN,
    DARK_GROUND,
    FOLDED,
    LIGHT_GROUND,
    TOKENS_PATH,
    WHITE,
    Accent,
    Link,
    Logo,
    Navigation,
    Presentation,
    contrast,
    lightened,
)
from .product_table import Table
from .suggest import did_you_mean

LOGO_BYTES_MAX = 65_536
LOGO_PIXELS_MAX = 1_024
WORD_LENGTH_MAX = 40
DEFAULT_ACTIONS = ("edit", "rotate", "revoke")
WORDS = frozenset({"token", "tokens", "Token", "Tokens", "aToken", "AToken", "product"})
"""What every text may have between braces: the product's own words."""

_COLOUR = re.compile(r"#[0-9a-fA-F]{6}")
_VARIABLE = re.compile(r"[A-Z][A-Z0-9_]{0,63}")
_PATH = re.compile(r"[a-z][a-z0-9-]{0,39}(?:/[a-z][a-z0-9-]{0,39})?")
_PLACE = re.compile(r"\{(\w+)\}")
_ENTRY = re.compile(r'^  "([\w.]+)":\s*((?:\s*"(?:[^"\\]|\\.)*"\s*\+?)+),$', re.MULTILINE)
_PIECE = re.compile(r'"((?:[^"\\]|\\.)*)"')
_TAKEN_PATHS = frozenset({"spaces", "members", "roles", "usage", "audit-log", "settings"})
_PNG = b"\x89PNG\r\n\x1a\n"
_SVG = "{http://www.w3.org/2000/svg}"
_SVG_ELEMENTS = frozenset(
    (
        *(
            "svg",
            "g",
            "defs",
            "symbol",
            "use",
            "title",
            "desc",
            "path",
            "rect",
            "circle",
            "ellipse",
            "line",
            "polyline",
        ),
        *("polygon", "linearGradient", "radialGradient", "stop", "clipPath", "mask", "text", "tspan"),
    )
)
_SVG_REFERENCE = re.compile(r"\burl\(\s*['\"]?(?!#)|^\s*(?:javascript|data):", re.IGNORECASE)


def read_presentation(table: Table, *, name: str, scopes: Collection[str], file: str) -> Presentation:
    """Return the presentation.

    :param name: the product's name, from which the name of the environment variable is made.
    :param scopes: names that may have a label and a use case: scopes and shorthands.
    :param file: the product file, beside which the logo lies.
    """
    token = _word(table, "token", "token")
    labels, use_cases = _scope_texts(table.table("scopes", optional=True), scopes)
    made = Presentation(
        token=token,
        tokens=_word(table, "tokens", f"{token}s"),
        logo=_logo(table, Path(file).parent),
        accent=_accent(table),
        navigation=_navigation(table.table("navigation", optional=True)),
        columns=_some(table, "columns", COLUMNS, ()),
        actions=_some(table, "actions", ACTIONS, DEFAULT_ACTIONS),
        folded=_some(table, "folded", FOLDED, FOLDED, empty=True),
        variable=_variable(table, f"{(name or 'product').upper()}_TOKEN"),
        example_url=_url(table, "example_url"),
        labels=MappingProxyType(labels),
        use_cases=MappingProxyType(use_cases),
        links=tuple(_links(table)),
        texts=MappingProxyType(_texts(table.table("texts", optional=True))),
    )
    table.done()
    return made


def dashboard_texts(folder: Path | None = None) -> Mapping[str, frozenset[str]]:
    """Return the names of the dashboard's texts, each with what it may have between braces.

    :param folder: the folder of the modules that hold them; None for the packaged one.
    """
    return _dashboard_texts(folder if folder is not None else Path(__file__).resolve().parents[1] / "dashboard/texts")


@cache
def _dashboard_texts(folder: Path) -> Mapping[str, frozenset[str]]:
    found: dict[str, frozenset[str]] = {}
    for file in sorted(folder.glob("*.js")):
        for name, text in _ENTRY.findall(file.read_text(encoding="utf-8")):
            found[name] = frozenset(_PLACE.findall("".join(_PIECE.findall(text)))) | WORDS
    return MappingProxyType(found)


def _word(table: Table, key: str, default: str) -> str:
    text = table.text(key, default=default)
    if not text.strip() or len(text) > WORD_LENGTH_MAX:
        raise table.wrong(
            key, f"write what people call it in a sentence, such as 'API key', at most {WORD_LENGTH_MAX} characters"
        )
    return text


def _some(
    table: Table, key: str, allowed: tuple[str, ...], default: tuple[str, ...], *, empty: bool = False
) -> tuple[str, ...]:
    if key not in table.names():
        return table.strings(key, default=default)
    return table.choices(key, allowed, empty=empty)


def _accent(table: Table) -> Accent | None:
    light = table.text("accent", default="")
    dark = table.text("accent_dark", default="")
    if not light:
        if dark:
            raise table.wrong("accent", "write it too; accent_dark is its shade for the dark theme")
        return None
    for key, colour in (("accent", light), ("accent_dark", dark or light)):
        if _COLOUR.fullmatch(colour) is None:
            raise table.wrong(key, "write a colour as '#rrggbb', like '#0f766e'")
    least = min(contrast(light, WHITE), contrast(light, LIGHT_GROUND))
    if least < CONTRAST_MIN:
        raise table.wrong(
            "accent", f"is too light: its contrast is {least:.1f}, and text needs {CONTRAST_MIN}; write a darker colour"
        )
    if dark and contrast(dark, DARK_GROUND) < CONTRAST_MIN:
        found = contrast(dark, DARK_GROUND)
        raise table.wrong(
            "accent_dark",
            f"is too dark: its contrast is {found:.1f}, and text needs {CONTRAST_MIN}; write a lighter colour",
        )
    return Accent(light.lower(), dark.lower() or lightened(light))


def _navigation(table: Table) -> Navigation:
    path = table.text("path", default=TOKENS_PATH)
    if _PATH.fullmatch(path) is None:
        raise table.wrong("path", "write one or two lower-case words, like 'api-keys' or 'account/api-keys'")
    if path in _TAKEN_PATHS:
        raise table.wrong("path", "is the path of another page; choose another")
    made = Navigation(table.text("section", default=""), table.text("label", default=""), path)
    table.done()
    return made


def _variable(table: Table, default: str) -> str:
    variable = table.text("variable", default=default)
    if _VARIABLE.fullmatch(variable) is None:
        raise table.wrong("variable", "write the name of an environment variable, like 'ACME_API_KEY'")
    return variable


def _url(table: Table, key: str, *, required: bool = False) -> str:
    text = table.text(key) if required else table.text(key, default="")
    if text and not _is_https(text):
        raise table.wrong(key, "write a URL that begins with https://")
    return text


def _is_https(text: str) -> bool:
    try:
        parts = urlsplit(text)
        return parts.scheme == "https" and bool(parts.hostname) and not re.search(r"[\s\"'\\<>`$]", text)
    except ValueError:
        return False


def _scope_texts(table: Table, scopes: Collection[str]) -> tuple[dict[str, str], dict[str, str]]:
    labels: dict[str, str] = {}
    use_cases: dict[str, str] = {}
    for name, entry in table.entries():
        if name not in scopes:
            raise table.wrong(name, f"unknown scope or shorthand '{name}'.{did_you_mean(name, scopes)}")
        label, use_case = entry.text("label", default=""), entry.text("use_case", default="")
        entry.done()
        labels |= {name: label} if label else {}
        use_cases |= {name: use_case} if use_case else {}
    return labels, use_cases


def _links(table: Table) -> list[Link]:
    links = []
    for entry in table.tables("links"):
        links.append(Link(entry.text("title"), _url(entry, "url", required=True)))
        entry.done()
    return links


def _texts(table: Table) -> dict[str, str]:
    texts = {}
    for name in table.names():
        texts[name] = table.text(name)
        known = dashboard_texts()
        if name not in known:
            raise table.wrong(name, f"unknown text '{name}'.{did_you_mean(name, known)}")
        for place in _PLACE.findall(texts[name]):
            if place not in known[name]:
                listed = ", ".join(f"{{{one}}}" for one in sorted(known[name]))
                raise table.wrong(name, f"unknown {{{place}}}; this text may have {listed}")
    return texts


def _logo(table: Table, folder: Path) -> Logo | None:
    written = table.block("logo", LOGO_BYTES_MAX)
    if not written:
        return None
    if written.startswith("<"):
        called, content = "the image", written.encode("utf-8")
    else:
        called, content = str(folder / written), _read(table, folder / written)
    if len(content) > LOGO_BYTES_MAX:
        raise table.wrong("logo", f"{called} is larger than {LOGO_BYTES_MAX:,} bytes")
    digest = hashlib.sha256(content).hexdigest()[:16]
    if content.startswith(_PNG):
        width, height = struct.unpack(">II", content[16:24]) if len(content) > 24 else (0, 0)
        if not (0 < width <= LOGO_PIXELS_MAX and 0 < height <= LOGO_PIXELS_MAX):
            raise table.wrong("logo", f"{called} must have 1 to {LOGO_PIXELS_MAX:,} pixels on each side")
        return Logo(content, "image/png", digest)
    fault = _svg_fault(content)
    if fault is not None:
        raise table.wrong("logo", f"{called} {fault}")
    return Logo(content, "image/svg+xml", digest)


def _read(table: Table, path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(LOGO_BYTES_MAX + 1)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise table.wrong("logo", f"{path} cannot be read: {reason}") from None


def _svg_fault(content: bytes) -> str | None:
    """Return what is wrong with an SVG image: it may draw, and neither run nor load anything."""
    if b"<!DOCTYPE" in content or b"<!ENTITY" in content or b"<?xml-stylesheet" in content:
        return "has a document type or a style sheet; remove it"
    try:
        root = ElementTree.fromstring(content.decode("utf-8"))  # noqa: S314 - without a document type no entity is defined
    except (ElementTree.ParseError, ValueError):
        return "is neither a PNG nor an SVG image"
    if root.tag != f"{_SVG}svg" or "viewBox" not in root.attrib:
        return "must be an SVG image with a viewBox"
    for element in root.iter():
        name = str(element.tag).removeprefix(_SVG)
        if name not in _SVG_ELEMENTS:
            return f"has <{name}>, which a logo may not have; remove it"
        for attribute, value in element.attrib.items():
            local = attribute.rpartition("}")[2].lower()
            if (
                local.startswith("on")
                or local == "style"
                or _SVG_REFERENCE.search(value)
                or (local == "href" and not value.startswith("#"))
            ):
                return f"has the attribute {local} of <{name}> that a logo may not have; remove it"
    return None
