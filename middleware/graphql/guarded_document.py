"""A document that was checked for one caller. The executor runs no other.

It is a new object around the nodes of the parsed one, which Strawberry's ParserCache shares between callers and which
nobody may change. It holds the picked operation and the fragments, so nothing else in the document can be run.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from graphql import DocumentNode, GraphQLError

from spacekey.domain.principal import Principal
from spacekey.domain.rule import Rule

from .operations import Operation


@dataclass(frozen=True, slots=True)
class Verdict:
    """What was decided: refuse with ``errors``, or run and null whatever ``denied_by`` gives a rule for.

    ``denied_by`` takes a type's and a field's name and gives the rule that denies it, None where it is allowed. It is
    None itself where nothing of the operation can be denied.
    """

    principal: Principal | None = None
    errors: tuple[GraphQLError, ...] = ()
    denied_by: Callable[[str, str], Rule | None] | None = None


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
