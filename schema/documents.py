"""Documents, parsed and validated within bounds and kept for the next request with the same text."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache

from graphql import GraphQLError, GraphQLSchema, specified_rules
from strawberry.extensions import SchemaExtension
from strawberry.schema.validation_rules.maybe_null import MaybeNullValidationRule
from strawberry.schema.validation_rules.one_of import OneOfInputValidationRule

from spacekey.schema.limits.documents import parse_bounded

from .validation import validate_bounded

RULES = (*specified_rules, MaybeNullValidationRule, OneOfInputValidationRule)


class Documents:
    """The last documents of one schema and what is wrong with them. Refused ones are not kept.

    Nothing in here depends on a caller, so that one caller's document may serve the next.
    """

    def __init__(self, most: int) -> None:
        self.parsed = lru_cache(maxsize=most)(parse_bounded)
        self.errors = lru_cache(maxsize=most)(self._errors)

    def _errors(self, schema: GraphQLSchema, text: str) -> tuple[GraphQLError, ...]:
        return tuple(validate_bounded(schema, self.parsed(text), RULES))


class DocumentSteps(SchemaExtension):
    """Takes the place of Strawberry's own parsing and validation, for every transport."""

    def __init__(self, documents: Documents) -> None:
        super().__init__()
        self.documents = documents

    def on_parse(self) -> Iterator[None]:
        """Set the document, which keeps Strawberry from parsing the text.

        :raises GraphQLError: for a syntax error or a document that is too large; it becomes the answer.
        """
        context = self.execution_context
        if context.query:
            context.graphql_document = self.documents.parsed(context.query)
        yield

    def on_validate(self) -> Iterator[None]:
        """Set the errors, which keeps Strawberry from validating the document."""
        context = self.execution_context
        if context.query:
            schema = context.schema._schema
            context.pre_execution_errors = list(self.documents.errors(schema, context.query))
        yield
