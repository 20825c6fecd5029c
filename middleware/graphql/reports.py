"""Reports of the scopes that a schema requires: for every coordinate, and for one operation."""

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

from .analysis import find_denials
from .decision import decisive_denials
from .operations import pick_operation
from .rules import Rulebook, compile_rules, describe_rules
from .schema import ScopedSchema, check_enforced
from .settings import SELECTIONS_MAX

CANDIDATES_MAX = 1_000
"""Sets of scopes that are tried for one operation."""


def scope_report(schema: strawberry.Schema | Rulebook) -> dict[str, str]:
    """Return the effective rule of every coordinate in words, or ``public``; objects and interfaces, sorted.

    Introspection (``__schema``, ``__type``, ``__typename``) is left out.

    :param schema: a schema, or its compiled rules.
    :raises ConfigurationError: for a plain schema with a rule, which nothing enforces.
    """
    if isinstance(schema, Rulebook):
        return describe_rules(schema)
    if isinstance(schema, ScopedSchema):
        return describe_rules(schema.rulebook)
    check_enforced(schema)
    return describe_rules(compile_rules(schema._schema))


def required_scopes(
    schema: strawberry.Schema,
    document: str | DocumentNode,
    operation_name: str | None = None,
    *,
    variables: Mapping[str, Any] | None = None,
) -> Rule:
    """Return the rule of a whole operation, over any Strawberry schema whose fields have the directive.

    A selection that can return several types needs the scopes of one of them: a query is refused only if all are
    denied, and values of denied types are null. A mutation needs the scopes of all of them: it is refused if any is
    denied. The rule of an operation without rules is ``[[]]``.

    :param schema: the schema whose fields carry the rules.
    :param document: the GraphQL document, as text or parsed.
    :param operation_name: which of the document's operations; None if there is one.
    :param variables: the variables of a request. Without them, every selection whose ``@skip`` or ``@include`` depends
        on a variable counts.
    :raises GraphQLError: if the document is not valid for the schema, or does not contain the operation.
    :raises RuleError: if too many combinations of scopes would do.
    """
    parsed = parse(document) if isinstance(document, str) else document
    for error in validate(schema._schema, parsed):
        raise error
    rulebook = schema.rulebook if isinstance(schema, ScopedSchema) else compile_rules(schema._schema)
    operation = pick_operation(parsed, operation_name)
    all_types = operation.definition.operation is OperationType.MUTATION

    sufficient: list[frozenset[str]] = []
    seen = {frozenset[str]()}
    waiting = deque(seen)
    while waiting:
        held = waiting.popleft()
        if any(one <= held for one in sufficient):
            continue
        candidate = Principal(id="", kind=Kind.WORKSPACE, scopes=held)
        denials = find_denials(rulebook, operation, variables, candidate, SELECTIONS_MAX)
        needed = [
            denial.rule if all_types else any_of(*denial.rules) for denial in decisive_denials(operation, denials)
        ]
        if not needed:
            sufficient.append(held)
            continue
        for alternative in reduce(and_, needed).alternatives:
            more = held | alternative
            if more not in seen:
                seen.add(more)
                waiting.append(more)
        if len(seen) > CANDIDATES_MAX:
            raise RuleError(f"more than {CANDIDATES_MAX} combinations of scopes would do; ask for fewer fields")
    return any_of(*(all_of(*sorted(one)) for one in sufficient))
