"""``spacekey introspector``: create a credential for an app that checks the tokens of a product's workspaces."""

from __future__ import annotations

import os
import secrets
from typing import Annotated

import typer

from . import _complete
from ._output import say, show_one
from ._run import AsJson


def introspector(
    name: Annotated[str, typer.Argument(metavar="NAME", help="The app: letters, digits and hyphens.")],
    product: Annotated[
        str, typer.Option(autocompletion=_complete.products, help="The product whose tokens the app checks.")
    ],
    as_json: AsJson = False,
) -> None:
    """Make a secret for an app of yours, and the entry by which the server knows it. Nothing is stored."""
    from spacekey.server.introspectors import new_introspector

    _check_loaded(product)
    made, secret = new_introspector(name, product, secrets.token_bytes)
    facts = {"id": made.id, "secret": secret.reveal()}
    if as_json:
        show_one({**facts, "SPACEKEY_INTROSPECTORS": made.setting}, True)
    else:
        show_one(facts, False)
        print(f"SPACEKEY_INTROSPECTORS={made.setting}")
    say("Give the secret to the app; it is not shown again. Add the entry to the server's setting and restart it.")


def _check_loaded(product: str) -> None:
    """Refuse a product that the server, with these settings, does not load.

    The existing entries are not checked, as the new one may be made to replace an invalid one.
    """
    from spacekey.domain.product_file import load_products
    from spacekey.domain.refusal import InputCode, InvalidInput
    from spacekey.resolvers.validation import unknown
    from spacekey.server.settings import Settings

    environ = {name: value for name, value in os.environ.items() if name != "SPACEKEY_INTROSPECTORS"}
    loaded = load_products(Settings.from_environ(environ).products)
    if product not in loaded:
        where = "SPACEKEY_PRODUCTS names the files that are loaded."
        raise InvalidInput("product", f"{unknown('product', product, loaded)} {where}", InputCode.UNKNOWN_VALUE)
