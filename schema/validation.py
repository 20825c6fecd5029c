"""Validation with a bound on its work: fewer errors than the library's hundred, fewer comparisons of fields."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from graphql import (
    DocumentNode,
    GraphQLError,
    GraphQLSchema,
    OverlappingFieldsCanBeMergedRule,
    ValidationContext,
    validate,
)
from graphql.validation.validate import ValidationAbortedError

from .errors import refused

ERRORS_MAX = 20
"""Each error looks for similar names in the whole schema."""

COMPARISONS_MAX = 20_000
"""In graphql-core's own unit: about two for each pair of fields that may have to be merged."""


class BoundedMerging(OverlappingFieldsCanBeMergedRule):
    """The rule that compares fields, with less to spend than the library gives it."""

    def __init__(self, context: ValidationContext) -> None:
        super().__init__(context)
        self.rule_context.remaining_complexity_budget = COMPARISONS_MAX


def validate_bounded(schema: GraphQLSchema, document: DocumentNode, rules: Iterable[Any]) -> list[GraphQLError]:
    """What is wrong with a document: at most ``ERRORS_MAX`` errors and one that says there are more.

    :param rules: classes of rules; graphql-core's for merging is replaced by the bounded one.
    """
    bounded = [BoundedMerging if rule is OverlappingFieldsCanBeMergedRule else rule for rule in rules]
    errors = validate(schema, document, bounded, max_errors=ERRORS_MAX)
    if errors and isinstance(errors[-1], ValidationAbortedError) and len(errors) <= ERRORS_MAX:
        return [
            refused(
                "OPERATION_TOO_LARGE",
                "The document is too intricate to be checked: fewer fragments and fewer repeated fields, please.",
            )
        ]
    return errors
