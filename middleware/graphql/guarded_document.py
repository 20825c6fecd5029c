"""A document that was checked for one caller. The executor runs no other.

It is a new object around the nodes of the parsed one, which Strawberry's ParserCache shares between callers and which
nobody may change. It holds the picked operation and the fragments, so nothing else in the document can be run.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from graphql import DocumentNode, GraphQLError

from spacekey.domain.principal import Principal

from .operation import Operation
from .walk import Denial


@dataclass(frozen=True, slots=True)
class Verdict:
    """What was decided: refuse with ``errors``, or run and null the ``denied`` (type, field) pairs."""

    principal: Principal | None = None
    errors: tuple[GraphQLError, ...] = ()
    denied: Mapping[tuple[str, str], Denial] = field(default_factory=dict)


class GuardedDocument(DocumentNode):
    """A document with the verdict on it."""

    verdict: Verdict


# Node classes are named after their kind; to visitors this one is a document like any other.
GuardedDocument.kind = DocumentNode.kind


def guarded_document(operation: Operation, verdict: Verdict) -> GuardedDocument:
    """The operation and its fragments, with the verdict."""
    document = GuardedDocument(definitions=(operation.definition, *operation.fragments.values()))
    document.verdict = verdict
    return document


def refusing_document(document: DocumentNode, error: GraphQLError) -> GuardedDocument:
    """A document that is not run, for ``error``."""
    refused = GuardedDocument(definitions=document.definitions)
    refused.verdict = Verdict(errors=(error,))
    return refused
