"""``spacekey product``: the products that the settings name, and what their files describe."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from . import _complete
from ._options import AsArray, AsJson, AsLines, Wide
from .common.output import Facts, Format, Listing, json_text, print_table, styled
from .common.run import settings_now

if TYPE_CHECKING:
    from spacekey.domain.product import Product

DROP = ("self_service", "burst", "title", "tokens_max", "description")


def list_(as_json: AsArray = False, as_lines: AsLines = False, wide: Wide = False) -> None:
    """List the products that are loaded."""
    from spacekey.domain.product_file import load_products

    loaded = load_products(settings_now().products)
    with Listing(Format(as_json, as_lines, wide), "name", "title", "default_plan", "environments") as listing:
        for product in sorted(loaded.values(), key=lambda one: one.name):
            listing.add(product_facts(product))


def show(
    product: Annotated[
        str,
        typer.Argument(
            metavar="PRODUCT",
            autocompletion=_complete.products,
            help="A loaded product's name, or a product's .toml file.",
        ),
    ],
    as_json: AsJson = False,
    wide: Wide = False,
) -> None:
    """Show a product's scopes, shorthands, presets, roles and plans."""
    from spacekey.domain.product_file import load_products

    from .common.lookup import product_called

    loaded = {} if product.endswith(".toml") else load_products(settings_now().products)
    facts = product_facts(product_called(loaded, product))
    if as_json:
        print(json_text(facts))
        return
    for section in ("scopes", "shorthands", "presets", "roles", "plans"):
        if facts[section]:
            print(styled(section.capitalize(), "bold"))
            print_table(facts[section], list(facts[section][0]), DROP, wide=wide)
            print()


def product_facts(product: Product) -> Facts:
    """Return a product as JSON values."""
    return {
        "name": product.name,
        "title": product.title,
        "secret_prefix": product.secret_prefix,
        "environments": list(product.environments),
        "token_kinds": sorted(product.token_kinds),
        "token_roles": list(product.token_roles),
        "one_role": product.one_role,
        "default_plan": product.default_plan,
        "scopes": [{"name": name, "description": text} for name, text in product.scopes.items()],
        "shorthands": [
            {"name": one.name, "title": one.title, "scopes": sorted(one.scopes)} for one in product.shorthands.values()
        ],
        "presets": [
            {"name": one.name, "title": one.title, "scopes": list(one.scopes)} for one in product.presets.values()
        ],
        "roles": [{"name": one.name, "title": one.title, "grants": list(one.grants)} for one in product.roles.values()],
        "plans": [
            {
                "name": one.name,
                "title": one.title,
                "tokens_max": one.tokens_max,
                "per_minute": None if one.limit is None else one.limit.per_minute,
                "burst": None if one.limit is None else one.limit.burst,
                "self_service": one.self_service,
            }
            for one in product.plans.values()
        ],
    }
