"""``spacekey scope``: rename a held scope, and find the scopes that an operation requires."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from spacekey.domain.errors import ConfigurationError
from spacekey.domain.text_input import decode_text, read_file

from . import _complete
from ._options import AsJson, Yes
from .common.output import Facts, json_text, say, show_one
from .common.run import USAGE, Failure, confirmed

if TYPE_CHECKING:
    import strawberry

    from spacekey.domain.rule import Rule
    from spacekey.resolvers.system import System

DOCUMENT_BYTES_MAX = 1_000_000


def rename(
    old: Annotated[str, typer.Argument(metavar="OLD", help="The name that the product no longer has.")],
    new: Annotated[
        str,
        typer.Option(
            "--to",
            metavar="NEW",
            autocompletion=_complete.scopes,
            help="The scope, shorthand or role that takes its place.",
        ),
    ],
    product: Annotated[
        str, typer.Option("--product", autocompletion=_complete.products, help="A loaded product's name.")
    ],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only count what would change.")] = False,
    yes: Yes = False,
    as_json: AsJson = False,
) -> None:
    """Rename what tokens, members and invitations hold, after a product renamed a scope, shorthand or role.

    'spacekey check' lists the names that are held and that the product no longer has.
    """
    from ._connection import run
    from .common.run import operator

    if not dry_run:
        confirmed(f"All who hold '{old}' in workspaces of '{product}' hold '{new}' from then on. Rename it?", yes=yes)

    async def work(system: System) -> Facts:
        from spacekey.resolvers.accounts.renaming import rename_held

        done = await rename_held(system, operator(), product, old, new, dry_run=dry_run)
        return {
            "old": old,
            "new": new,
            "changed": not dry_run,
            "tokens": done.tokens,
            "members": done.members,
            "invitations": done.invitations,
            "role_configurations": done.roles,
            "policies": done.policies,
            "left": done.left,
            "workspaces": sorted(done.workspaces),
        }

    show_one(run(work), as_json)


def needed(
    query: Annotated[
        str, typer.Argument(metavar="QUERY.graphql", help="A file with a GraphQL document, or - to read it.")
    ],
    schema: Annotated[
        str | None,
        typer.Option("--schema", metavar="MODULE:NAME", help="Any Strawberry schema; Spacekey's own when left out."),
    ] = None,
    operation: Annotated[
        str | None, typer.Option("--operation", help="Which operation, when the document has several.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Print the least scopes a token needs for a GraphQL operation."""

    rule = least_scopes(schema_called(schema), _document(query), operation)
    least = rule.missing(frozenset())
    facts: Facts = {
        "operation": operation,
        "scopes": None if least is None else list(least),
        "alternatives": rule.as_lists(),
    }
    if as_json:
        print(json_text(facts))
    elif least is None:
        raise Failure("No scopes are sufficient: the operation contains a field that no caller may read.")
    else:
        for scope in least:
            print(scope)
        if not least:
            say("No scopes: any valid token is sufficient, or none if all fields are public.")
        if len(rule.alternatives) > 1:
            say(f"Any one of these is sufficient: {rule}")


def _document(query: str) -> str:
    try:
        if query != "-":
            return read_file(Path(query), query, bytes_max=DOCUMENT_BYTES_MAX)
        raw = sys.stdin.buffer.read(DOCUMENT_BYTES_MAX + 1)
        if len(raw) > DOCUMENT_BYTES_MAX:
            raise Failure(f"{query}: is over {DOCUMENT_BYTES_MAX} bytes; ask for one operation at a time", USAGE)
        return decode_text(raw, "standard input")
    except ConfigurationError as error:
        raise Failure(str(error), USAGE) from None


def schema_called(place: str | None) -> strawberry.Schema:
    """Return the schema at ``module:name``, which is a schema, or a function without arguments that returns one.

    :raises Failure: it was not found, or is not a Strawberry schema.
    """
    if place is None:
        from spacekey.schema.build import build_schema

        return build_schema()
    import strawberry

    module_name, colon, names = place.partition(":")
    if not module_name or not colon or not names:
        raise Failure(f"--schema: '{place}' is not MODULE:NAME, like myapp.schema:schema", USAGE)
    found: object = _imported(module_name)
    for name in names.split("."):
        found = getattr(found, name, None)
    if callable(found) and not isinstance(found, strawberry.Schema):
        found = found()
    if not isinstance(found, strawberry.Schema):
        raise Failure(
            f"--schema: '{names}' in '{module_name}' is no Strawberry schema, nor a function that makes one", USAGE
        )
    return found


def least_scopes(schema: strawberry.Schema, document: str, operation: str | None) -> Rule:
    """Return the rule of the operation.

    :raises Failure: the document is not valid for the schema; says where and why.
    :raises RuleError: too many combinations of scopes are sufficient.
    """
    from graphql import GraphQLError

    from spacekey.middleware.graphql import required_scopes

    try:
        return required_scopes(schema, document, operation)
    except GraphQLError as error:
        places = ", ".join(f"line {place.line}, column {place.column}" for place in error.locations or ())
        raise Failure(
            f"The document cannot be used: {error.message}{f' ({places})' if places else ''}", USAGE
        ) from None


def _imported(module_name: str) -> object:
    """Return the imported module, searched in the working directory first."""
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.insert(0, here)
    try:
        return importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        raise Failure(
            f"--schema: there is no module '{error.name}'. Run this where your app is, in its virtual environment.",
            USAGE,
        ) from None
