"""Catalogs from TOML. Every mistake is a :class:`CatalogError` that names file, key and remedy."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Sequence
from pathlib import Path
from types import MappingProxyType

from .catalog import OWNER_ROLE, Catalog, Plan, Preset, Role, Shorthand, UseCase
from .catalog_table import Table
from .errors import CatalogError
from .principal import Kind, Limit
from .scope import MANAGEMENT_SCOPES, is_scope_name
from .secret import ENVIRONMENTS, is_brand
from .suggest import did_you_mean

CATALOG_BYTES_MAX = 1_000_000


def load_catalogs(paths: Iterable[Path]) -> dict[str, Catalog]:
    """Read several catalog files, by catalog name.

    :raises CatalogError: for an unreadable or wrong file, and for two files with one name or one brand.
    """
    catalogs: dict[str, Catalog] = {}
    for path in paths:
        catalog = load_catalog(path)
        for other in catalogs.values():
            for key, one, two in (("name", catalog.name, other.name), ("brand", catalog.brand, other.brand)):
                if one == two:
                    raise CatalogError(str(path), key, f"'{one}' is taken by another catalog; choose another")
        catalogs[catalog.name] = catalog
    return catalogs


def load_catalog(path: Path) -> Catalog:
    """Read one catalog file.

    :raises CatalogError: when it cannot be read or is wrong.
    """
    try:
        with path.open("rb") as file:
            text = file.read(CATALOG_BYTES_MAX + 1)
    except OSError as error:
        raise CatalogError(str(path), "(file)", f"cannot be read: {error.strerror}") from error
    if len(text) > CATALOG_BYTES_MAX:
        raise CatalogError(str(path), "(file)", f"is over {CATALOG_BYTES_MAX} bytes; split the product")
    return parse_catalog(text.decode("utf-8", "replace"), str(path))


def parse_catalog(text: str, file: str) -> Catalog:
    """A catalog from TOML text; ``file`` is the name errors show.

    :raises CatalogError: when the text is not TOML or not a catalog.
    """
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise CatalogError(file, "(file)", f"is not TOML: {error}") from error
    root = Table(file, "", data)
    name = root.name("name")
    brand = root.text("brand")
    if not is_brand(brand):
        raise root.wrong("brand", "write 2 to 16 lower-case letters or digits, starting with a letter, like 'sp'")
    tokens = root.table("tokens")
    scopes = _scopes(root.table("scopes"))
    shorthands = _shorthands(root.table("shorthands", optional=True), scopes)
    presets = _presets(root.table("presets", optional=True), scopes)
    roles = _roles(root.table("roles"), scopes, shorthands)
    plans = _plans(root.table("plans"), scopes)
    _distinct(root, shorthands, roles, scopes)
    catalog = Catalog(
        name=name,
        title=root.text("title"),
        description=root.text("description", default=""),
        brand=brand,
        environments=root.choices("environments", ENVIRONMENTS),
        token_kinds=frozenset(Kind(kind) for kind in tokens.choices("kinds", (Kind.SPACE, Kind.WORKSPACE))),
        token_roles=_known(tokens, "roles", tokens.strings("roles", default=()), roles, "role"),
        default_plan=_known(root, "default_plan", [root.text("default_plan")], plans, "plan")[0],
        scopes=MappingProxyType(scopes),
        shorthands=MappingProxyType(shorthands),
        presets=MappingProxyType(presets),
        use_cases=_use_cases(root, scopes, shorthands, presets, roles),
        roles=MappingProxyType(roles),
        plans=MappingProxyType(plans),
    )
    tokens.done()
    root.done()
    return catalog


def _scopes(table: Table) -> dict[str, str]:
    scopes: dict[str, str] = {}
    for name in table.names():
        if not is_scope_name(name):
            raise table.wrong(name, "is not a scope name: use lower-case words joined by colons, like 'jobs:read'")
        if name in MANAGEMENT_SCOPES:
            raise table.wrong(name, "is a management scope of Spacekey's own; a catalog can grant it, not define it")
        scopes[name] = table.text(name)
    if not scopes:
        raise table.wrong("", 'define at least one scope, like "jobs:read" = "List jobs"')
    return scopes


def _shorthands(table: Table, scopes: dict[str, str]) -> dict[str, Shorthand]:
    shorthands = {}
    for name, entry in table.entries():
        if not is_scope_name(name):
            raise table.wrong(name, "is not a shorthand name: use lower-case words joined by colons")
        if entry.flag("every_scope"):
            names: Sequence[str] = tuple(scopes)
        else:
            names = _known(entry, "scopes", entry.strings("scopes"), scopes, "scope")
        shorthands[name] = Shorthand(
            name, entry.text("title", default=name), entry.text("description", default=""), frozenset(names)
        )
        entry.done()
    return shorthands


def _presets(table: Table, scopes: dict[str, str]) -> dict[str, Preset]:
    presets = {}
    for name, entry in table.entries():
        names = _known(entry, "scopes", entry.strings("scopes"), scopes, "scope")
        presets[name] = Preset(name, entry.text("title", default=name), entry.text("description", default=""), names)
        entry.done()
    return presets


def _roles(table: Table, scopes: dict[str, str], shorthands: dict[str, Shorthand]) -> dict[str, Role]:
    roles = {}
    known = {**scopes, **shorthands, **MANAGEMENT_SCOPES}
    for name, entry in table.entries():
        if not is_scope_name(name):
            raise table.wrong(name, "is not a role name: use lower-case words")
        grants = list(_known(entry, "grants", entry.strings("grants", default=()), known, "scope or shorthand"))
        if entry.flag("every_scope"):
            grants += scopes
        if entry.flag("every_management_scope"):
            grants += MANAGEMENT_SCOPES
        roles[name] = Role(
            name,
            entry.text("title", default=name),
            entry.text("description", default=""),
            tuple(dict.fromkeys(grants)),
        )
        entry.done()
    if OWNER_ROLE not in roles:
        raise table.wrong(OWNER_ROLE, "every catalog needs the role 'owner': the one that can set things right")
    return roles


def _plans(table: Table, scopes: dict[str, str]) -> dict[str, Plan]:
    plans = {}
    for name, entry in table.entries():
        allowed = entry.strings("scopes", default=None)
        per_minute = entry.count("per_minute", default=None)
        burst = entry.count("burst", default=None)
        if (per_minute is None) != (burst is None) or per_minute == 0 or burst == 0:
            raise entry.wrong("burst", "give per_minute and burst together, both 1 or more, or neither")
        plans[name] = Plan(
            name=name,
            title=entry.text("title", default=name),
            tokens_max=entry.count("tokens_max", default=None),
            scopes=None if allowed is None else frozenset(_known(entry, "scopes", allowed, scopes, "scope")),
            limit=None if per_minute is None or burst is None else Limit(per_minute, burst),
            self_service=entry.flag("self_service"),
        )
        entry.done()
    if not plans:
        raise table.wrong("", "define at least one plan")
    return plans


def _use_cases(
    root: Table,
    scopes: dict[str, str],
    shorthands: dict[str, Shorthand],
    presets: dict[str, Preset],
    roles: dict[str, Role],
) -> tuple[UseCase, ...]:
    cases = []
    for entry in root.tables("use_cases"):
        preset = entry.text("preset", default="") or None
        if preset is not None:
            _known(entry, "preset", [preset], presets, "preset")
        grants = entry.strings("grants", default=())
        _known(entry, "grants", grants, {**scopes, **shorthands, **roles}, "scope, shorthand or role")
        if bool(grants) == (preset is not None):
            raise entry.wrong("grants", "give either grants or a preset")
        cases.append(UseCase(entry.text("title"), tuple(grants), preset))
        entry.done()
    return tuple(cases)


def _known(table: Table, key: str, names: Sequence[str], known: Iterable[str], what: str) -> tuple[str, ...]:
    known = set(known)
    for name in names:
        if name not in known:
            raise table.wrong(key, f"unknown {what} '{name}'.{did_you_mean(name, known)}")
    return tuple(dict.fromkeys(names))


def _distinct(root: Table, shorthands: dict[str, Shorthand], roles: dict[str, Role], scopes: dict[str, str]) -> None:
    """One name means one thing: grants are plain strings."""
    taken = {**dict.fromkeys(scopes, "a scope"), **dict.fromkeys(MANAGEMENT_SCOPES, "a management scope")}
    for section, names, what in (("shorthands", shorthands, "a shorthand"), ("roles", roles, "a role")):
        for name in names:
            if name in taken:
                raise root.wrong(f"{section}.{name}", f"the name is already {taken[name]}; choose another")
            taken[name] = what
