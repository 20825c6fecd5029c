"""What start-up can tell about a schema: every coordinate with its rule, or "public"."""

from __future__ import annotations

import strawberry

from .rules import Rulebook, compile_rules, rules_in_words
from .schema import ScopedSchema
from .unenforced import refuse_unenforced


def scope_report(schema: strawberry.Schema | Rulebook) -> dict[str, str]:
    """Coordinate → effective rule in words, or ``public``; objects and interfaces, sorted.

    Introspection (``__schema``, ``__type``, ``__typename``) is left out.

    :raises ConfigurationError: for a plain schema that carries a rule, which nothing enforces.
    """
    if isinstance(schema, Rulebook):
        return rules_in_words(schema)
    if isinstance(schema, ScopedSchema):
        return rules_in_words(schema.rulebook)
    refuse_unenforced(schema)
    return rules_in_words(compile_rules(schema._schema))
