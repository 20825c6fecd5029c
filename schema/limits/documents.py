"""Bounded parsing, checking and validation of documents, and the cache of the last ones.

Validation compares every field with every other of the same response key, so a short text can take seconds.
The checks on the syntax tree look at each node once and run before validation. Fragments can still repeat fields;
:class:`BoundedMerging` bounds that comparison.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import Any

from graphql import (
    DocumentNode,
    FieldNode,
    FloatValueNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLError,
    GraphQLSchema,
    GraphQLSyntaxError,
    InlineFragmentNode,
    IntValueNode,
    Node,
    OperationDefinitionNode,
    OverlappingFieldsCanBeMergedRule,
    SelectionSetNode,
    ValidationContext,
    parse,
    specified_rules,
    validate,
)
from graphql.validation.validate import ValidationAbortedError
from strawberry.extensions import SchemaExtension
from strawberry.schema.validation_rules.maybe_null import MaybeNullValidationRule
from strawberry.schema.validation_rules.one_of import OneOfInputValidationRule

from spacekey.schema.errors import OPERATION_TOO_LARGE, PARSE_FAILED, VALIDATION_FAILED, coded, refused

DOCUMENT_LENGTH_MAX = 20_000
TOKENS_MAX = 1_000
OPERATIONS_MAX = 20
FRAGMENTS_MAX = 50
SPREADS_MAX = 100
DIRECTIVES_MAX = 10
DIGITS_MAX = 100
SAME_KEY_MAX = 20
"""Fields of one response key in one selection set, its inline fragments included."""

REPEATS_MAX = 40
"""The same, multiplied along the path: two fields twice inside two fields twice are four."""
RULES = (*specified_rules, MaybeNullValidationRule, OneOfInputValidationRule)
ERRORS_MAX = 20
"""Each error looks for similar names in the whole schema."""
COMPARISONS_MAX = 20_000
"""In graphql-core's own unit: about two for each pair of fields that may have to be merged."""


def parse_bounded(text: str) -> DocumentNode:
    """Return the syntax tree of a document within the bounds.

    :raises GraphQLError: OPERATION_TOO_LARGE for the first bound it exceeds, or GRAPHQL_PARSE_FAILED.
    """
    if len(text) > DOCUMENT_LENGTH_MAX:
        raise too_large("characters", f"{len(text)}", DOCUMENT_LENGTH_MAX)
    try:
        document = parse(text, max_tokens=TOKENS_MAX)
    except GraphQLSyntaxError as error:
        if "contains more than" in error.message:  # graphql-core has no other sign of this error than its text
            raise too_large("tokens", f"over {TOKENS_MAX}", TOKENS_MAX) from None
        coded(error, PARSE_FAILED)
        raise
    check_document(document)
    return document


def check_document(document: DocumentNode) -> None:
    """Check that a document is within the bounds.

    :raises GraphQLError: OPERATION_TOO_LARGE, naming the bound and its limit.
    """
    counts = Counter(type(node) for node in nodes_of(document))
    _at_most("operations", counts[OperationDefinitionNode], OPERATIONS_MAX)
    _at_most("fragments", counts[FragmentDefinitionNode], FRAGMENTS_MAX)
    _at_most("fragment spreads", counts[FragmentSpreadNode], SPREADS_MAX)
    for node in nodes_of(document):
        _at_most("directives in one place", len(getattr(node, "directives", None) or ()), DIRECTIVES_MAX)
        if isinstance(node, IntValueNode | FloatValueNode):
            _at_most("digits in one number", len(node.value), DIGITS_MAX)
    for definition in document.definitions:
        if isinstance(definition, OperationDefinitionNode | FragmentDefinitionNode):
            _check_repeats(definition.selection_set, 1)


def nodes_of(root: Node) -> Iterator[Node]:
    """Return a node and all its descendants, each once."""
    waiting = [root]
    while waiting:
        node = waiting.pop()
        yield node
        for key in node.keys:
            child = getattr(node, key, None)
            if isinstance(child, Node):
                waiting.append(child)
            elif isinstance(child, list | tuple):
                waiting.extend(one for one in child if isinstance(one, Node))


def too_large(what: str, found: str, most: int) -> GraphQLError:
    """Return the error for a document that exceeds a bound."""
    return refused(OPERATION_TOO_LARGE, f"The document has too many {what}: {found}, at most {most}.")


def _check_repeats(selections: SelectionSetNode, outer: int) -> None:
    """Check for repeated fields. The parser bounds the depth, so this may recurse."""
    fields = list(_fields_of(selections))
    times = Counter(_key(field) for field in fields)
    for field in fields:
        here = times[_key(field)]
        _at_most("fields of the same name in one place", here, SAME_KEY_MAX)
        _at_most("fields of the same name inside one another", outer * here, REPEATS_MAX)
        if field.selection_set is not None:
            _check_repeats(field.selection_set, outer * here)


def _fields_of(selections: SelectionSetNode) -> Iterator[FieldNode]:
    """Return the fields of a selection set, with those of its inline fragments."""
    for node in selections.selections:
        if isinstance(node, FieldNode):
            yield node
        elif isinstance(node, InlineFragmentNode):
            yield from _fields_of(node.selection_set)


def _key(field: FieldNode) -> str:
    return (field.alias or field.name).value


def _at_most(what: str, found: int, most: int) -> None:
    if found > most:
        raise too_large(what, f"{found}", most)


class Documents:
    """Cache of the last documents of one schema, with their validation errors. Documents over a bound are not kept.

    Nothing in it depends on the caller, so callers can share it.
    """

    def __init__(self, most: int) -> None:
        self.parsed = lru_cache(maxsize=most)(parse_bounded)
        self.errors = lru_cache(maxsize=most)(self._errors)

    def _errors(self, schema: GraphQLSchema, text: str) -> tuple[GraphQLError, ...]:
        return tuple(validate_bounded(schema, self.parsed(text), RULES))


class DocumentSteps(SchemaExtension):
    """Extension that replaces Strawberry's own parsing and validation, on every transport."""

    def __init__(self, documents: Documents) -> None:
        super().__init__()
        self.documents = documents

    def on_parse(self) -> Iterator[None]:
        """Set the document, so that Strawberry does not parse the text.

        :raises GraphQLError: for a syntax error, or a document that is too large; it is the response.
        """
        context = self.execution_context
        if context.query:
            context.graphql_document = self.documents.parsed(context.query)
        yield

    def on_validate(self) -> Iterator[None]:
        """Set the errors, so that Strawberry does not validate the document."""
        context = self.execution_context
        if context.query:
            schema = context.schema._schema
            context.pre_execution_errors = list(self.documents.errors(schema, context.query))
        yield


class BoundedMerging(OverlappingFieldsCanBeMergedRule):
    """graphql-core's rule for merging fields, with a smaller budget than the library's."""

    def __init__(self, context: ValidationContext) -> None:
        super().__init__(context)
        self.rule_context.remaining_complexity_budget = COMPARISONS_MAX


def validate_bounded(schema: GraphQLSchema, document: DocumentNode, rules: Iterable[Any]) -> list[GraphQLError]:
    """Return the errors of a document with their codes: at most ``ERRORS_MAX``, and one that says there are others.

    :param rules: the rules' classes; graphql-core's rule for merging is replaced by the bounded one.
    """
    bounded = [BoundedMerging if rule is OverlappingFieldsCanBeMergedRule else rule for rule in rules]
    errors = validate(schema, document, bounded, max_errors=ERRORS_MAX)
    if errors and isinstance(errors[-1], ValidationAbortedError) and len(errors) <= ERRORS_MAX:
        return [
            refused(
                OPERATION_TOO_LARGE,
                "The document is too intricate to be checked: fewer fragments and fewer repeated fields, please.",
            )
        ]
    return [coded(error, VALIDATION_FAILED) for error in errors]
