"""Products from TOML. Every mistake is a :class:`ProductError` that names file, key and remedy."""

from __future__ import annotations

import tomllib
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from types import MappingProxyType

from .errors import ConfigurationError, ProductError, raise_all
from .presentation import Presentation
from .presentation_file import read_presentation
from .principal import Kind
from .product import Product
from .product_sections import (
    known,
    read_key_formats,
    read_one_role,
    read_plans,
    read_presets,
    read_roles,
    read_scopes,
    read_shorthands,
    read_use_cases,
)
from .product_table import Table
from .scope import MANAGEMENT_SCOPES, OPERATOR_NAMESPACE
from .secret import ENVIRONMENTS, is_secret_prefix
from .text_input import read_file

PRODUCT_BYTES_MAX = 1_000_000
PRODUCTS_MAX = 100
OPTIONAL = ("shorthands", "presets", "key_formats")
SECTIONS = ("scopes", "roles", "plans", *OPTIONAL)
"""Tables whose keys are names of the product's own."""


def load_products(paths: Iterable[Path]) -> dict[str, Product]:
    """Read several product files, and return the products by name.

    :raises ProductError: for an unreadable or wrong file, for two files with the same name or secret prefix, and for
        more than 100 files.
    """
    products: list[tuple[str, Product]] = []
    faults: list[ConfigurationError] = []
    for path in paths:
        try:
            products.append((str(path), load_product(path)))
        except ProductError as error:
            faults += error.each()
    raise_all(faults)
    return together(products)


def together(products: Iterable[tuple[str, Product]]) -> dict[str, Product]:
    """Return products by name.

    :param products: each with what an error calls it, such as its file.
    :raises ProductError: for two products with the same name or secret prefix, and for more than 100.
    """
    found: dict[str, Product] = {}
    for called, product in products:
        if len(found) >= PRODUCTS_MAX:
            raise ProductError(called, "(file)", f"one server loads at most {PRODUCTS_MAX} products")
        for other in found.values():
            for key, one, two in (
                ("name", product.name, other.name),
                ("secret_prefix", product.secret_prefix, other.secret_prefix),
            ):
                if one == two:
                    raise ProductError(called, key, f"'{one}' is taken by another product; choose another")
        found[product.name] = product
        _check_key_formats(called, product, found)
    return found


def _check_key_formats(file: str, product: Product, products: Mapping[str, Product]) -> None:
    """Check that a key tells by itself how it is found: by the secret prefix, or by the format that it alone has."""
    for other in products.values():
        for mine, theirs in ((product, other), (other, product)):
            for one in mine.key_formats.values():
                if one.prefix.startswith(f"{theirs.secret_prefix}_"):
                    remedy = f"the secrets of '{theirs.name}' begin like this; a key of another system must not"
                    raise ProductError(file, f"key_formats.{one.name}.prefix", remedy)
        for one in product.key_formats.values():
            for two in other.key_formats.values():
                if one is not two and one.method != two.method and one.overlaps(two):
                    remedy = (
                        f"a key could also have the format '{two.name}' of '{other.name}', which is hashed otherwise"
                    )
                    raise ProductError(file, f"key_formats.{one.name}", remedy)


def load_product(path: Path) -> Product:
    """Read one product file.

    :raises ProductError: if it cannot be read or is wrong.
    """
    try:
        text = read_file(path, "(file)", bytes_max=PRODUCT_BYTES_MAX)
    except ConfigurationError as error:
        raise ProductError(str(path), "(file)", str(error).removeprefix("(file): ")) from None
    return parse_product(text, str(path))


def parse_product(text: str, file: str) -> Product:
    """Return the product in a TOML text; ``file`` is the name that errors show.

    :raises ProductError: if the text is not TOML or not a product.
    """
    root = Table(file, "", _toml(text, file), [])
    name = root.name("name")
    root.renamed("brand", "secret_prefix")
    secret_prefix = root.text("secret_prefix")
    if not is_secret_prefix(secret_prefix):
        remedy = "write 2 to 16 lower-case letters or digits, starting with a letter, like 'sp'"
        root.note(root.wrong("secret_prefix", remedy))
    title, description = root.text("title"), root.text("description", default="")
    environments, default_plan = root.choices("environments", ENVIRONMENTS), root.text("default_plan")
    tokens = root.table("tokens")
    parts = {one: root.table(one, optional=one in OPTIONAL) for one in SECTIONS}
    use_cases, shown = root.tables("use_cases"), root.table("presentation", optional=True)
    root.done()
    scopes = read_scopes(parts["scopes"])
    if any(error.key in parts for error in root.faults):
        raise_all(root.faults)  # most of the other names would be unknown
    shorthands = read_shorthands(parts["shorthands"], scopes)
    presets = read_presets(parts["presets"], scopes)
    roles = read_roles(parts["roles"], scopes, parts["shorthands"].names())
    plans = read_plans(parts["plans"], scopes)
    _check_distinct(root, scopes, shorthands, roles)
    known(root, "default_plan", [default_plan], parts["plans"].names(), "plan")
    token_roles = known(tokens, "roles", tokens.strings("roles", default=()), parts["roles"].names(), "role")
    token_kinds = tokens.choices("kinds", (Kind.SPACE, Kind.WORKSPACE))
    one_role = read_one_role(tokens, token_roles, token_kinds, presets)
    grantable = token_roles if one_role else (*scopes, *parts["shorthands"].names(), *token_roles)
    cases = read_use_cases(use_cases, grantable, parts["presets"].names(), one_role=one_role)
    formats = read_key_formats(parts["key_formats"])
    presentation = Presentation()
    with shown.noting():
        presentation = read_presentation(shown, name=name, scopes=(*scopes, *parts["shorthands"].names()), file=file)
    tokens.done()
    raise_all(root.faults)
    return Product(
        name=name,
        title=title,
        description=description,
        secret_prefix=secret_prefix,
        environments=environments,
        token_kinds=frozenset(map(Kind, token_kinds)),
        token_roles=token_roles,
        default_plan=default_plan,
        scopes=MappingProxyType(scopes),
        shorthands=MappingProxyType(shorthands),
        presets=MappingProxyType(presets),
        use_cases=tuple(cases),
        roles=MappingProxyType(roles),
        plans=MappingProxyType(plans),
        one_role=one_role,
        key_formats=MappingProxyType(formats),
        presentation=presentation,
    )


def _toml(text: str, file: str) -> dict[str, object]:
    # Beyond TOMLDecodeError, tomllib lets through ValueError (integers of thousands of digits) and RecursionError
    # (thousands of nested brackets).
    try:
        return tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        raise ProductError(file, "(file)", f"is not TOML: {error}") from error


def _check_distinct(root: Table, scopes: Collection[str], shorthands: Collection[str], roles: Collection[str]) -> None:
    """Note names that mean two things, because grants are plain strings."""
    taken = {**dict.fromkeys(scopes, "a scope"), **dict.fromkeys(MANAGEMENT_SCOPES, "a management scope")}
    for section, names, what in (("shorthands", shorthands, "a shorthand"), ("roles", roles, "a role")):
        for name in names:
            if name.startswith(OPERATOR_NAMESPACE):
                remedy = f"names that begin with '{OPERATOR_NAMESPACE}' are for services"
                root.note(root.wrong(f"{section}.{name}", remedy))
            if name in taken:
                root.note(root.wrong(f"{section}.{name}", f"the name is already {taken[name]}; choose another"))
            taken.setdefault(name, what)
