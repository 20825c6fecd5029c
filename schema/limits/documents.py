"""Bounds on a document, decided on its syntax tree alone, before it is validated.

Validation compares every field with every other of the same response key, so that a short text can cost it seconds.
Each check here looks at a node once. What remains of that comparison, through fragments, :mod:`.validation` bounds.
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

from spacekey.schema.errors import refused

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


def parse_bounded(text: str) -> DocumentNode:
    """The syntax tree of a document that keeps within the bounds.

    :raises GraphQLError: OPERATION_TOO_LARGE for the first bound it breaks, or its syntax error.
    """
    if len(text) > DOCUMENT_LENGTH_MAX:
        raise too_large("characters", f"{len(text)}", DOCUMENT_LENGTH_MAX)
    try:
        document = parse(text, max_tokens=TOKENS_MAX)
    except GraphQLSyntaxError as error:
        if "contains more than" in error.message:  # graphql-core tells this apart by its text alone
            raise too_large("tokens", f"over {TOKENS_MAX}", TOKENS_MAX) from None
        raise
    check_document(document)
    return document


def check_document(document: DocumentNode) -> None:
    """Let a document of bearable size pass.

    :raises GraphQLError: OPERATION_TOO_LARGE, saying what there is too much of, and how much is allowed.
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
    """A node and all beneath it, each once."""
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
    """The refusal of a document with too much of something."""
    return refused("OPERATION_TOO_LARGE", f"The document has too many {what}: {found}, at most {most}.")


def _check_repeats(selections: SelectionSetNode, outer: int) -> None:
    """The parser bounds the depth, so this may recurse."""
    fields = list(_fields_of(selections))
    times = Counter(_key(field) for field in fields)
    for field in fields:
        here = times[_key(field)]
        _at_most("fields of the same name in one place", here, SAME_KEY_MAX)
        _at_most("fields of the same name inside one another", outer * here, REPEATS_MAX)
        if field.selection_set is not None:
            _check_repeats(field.selection_set, outer * here)


def _fields_of(selections: SelectionSetNode) -> Iterator[FieldNode]:
    """The fields of a selection set and of its inline fragments, which count as part of it."""
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
