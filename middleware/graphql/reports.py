"""What a schema asks of its callers: the rule of every coordinate, and of one operation the least token."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from functools import reduce
from operator import and_
from typing import Any

import strawberry
from graphql import DocumentNode, OperationType, parse, validate

from spacekey.domain.errors import RuleError
from spacekey.domain.principal import Kind, Principal
from spacekey.domain.rule import Rule, all_of, any_of

from .decision import find_denials, grave_denials
from .operations import pick_operation
from .rules import Rulebook, compile_rules, rules_in_words
from .schema import ScopedSchema, refuse_unenforced
from .settings import SELECTIONS_MAX


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


CANDIDATES_MAX = 1_000


def required_scopes(
    schema: strawberry.Schema,
    document: str | DocumentNode,
    operation_name: str | None = None,
    *,
    variables: Mapping[str, Any] | None = None,
) -> Rule:
    """The rule of a whole operation, over any Strawberry schema whose fields carry the directive.

    A place where values of several types can turn up needs the scopes of one of them: a query is refused only when none
    is allowed, and values of the others come as null. A mutation needs those of all: it is refused when any of them is
    denied. An operation without rules gives ``[[]]``.

    :param variables: those of a request. Without them every ``@skip`` and ``@include`` that hangs on a variable counts
        as selected.
    :raises GraphQLError: when the document is not valid for the schema, or the operation is not in it.
    :raises RuleError: when too many combinations of scopes would do.
    """
    parsed = parse(document) if isinstance(document, str) else document
    for error in validate(schema._schema, parsed):
        raise error
    rulebook = schema.rulebook if isinstance(schema, ScopedSchema) else compile_rules(schema._schema)
    operation = pick_operation(parsed, operation_name)
    all_types = operation.definition.operation is OperationType.MUTATION

    enough: list[frozenset[str]] = []
    seen = {frozenset[str]()}
    waiting = deque(seen)
    while waiting:
        held = waiting.popleft()
        if any(one <= held for one in enough):
            continue
        somebody = Principal(id="", kind=Kind.WORKSPACE, scopes=held)
        denials = find_denials(rulebook, operation, variables, somebody, SELECTIONS_MAX)
        needed = [denial.rule if all_types else any_of(*denial.rules) for denial in grave_denials(operation, denials)]
        if not needed:
            enough.append(held)
            continue
        for alternative in reduce(and_, needed).alternatives:
            more = held | alternative
            if more not in seen:
                seen.add(more)
                waiting.append(more)
        if len(seen) > CANDIDATES_MAX:
            raise RuleError(f"more than {CANDIDATES_MAX} combinations of scopes would do; ask for fewer fields")
    return any_of(*(all_of(*sorted(one)) for one in enough))
