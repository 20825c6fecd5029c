"""Actors: who did something, in one shape for the audit log, lists and every interface."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from .ids import KEY, USER, id_prefix

ACTOR_ID_LENGTH_MAX = 200
"""Maximum length of an actor's id, which may be a host application's own."""

OPERATOR_ID = "operator"
"""Id of the operator: the command line on the server itself."""

SYSTEM_ID = "system"
"""Id of Spacekey itself, when it acts on its own account, such as to write a checkpoint."""

UNKNOWN_PERSON_ID = "unknown"
"""Id of a person who failed to sign in and whose account is not known."""

_LEGACY_UNKNOWN_PERSON_ID = "nobody"


class ActorKind(StrEnum):
    """Kind of an actor. ``EXTERNAL`` is a user of an application that has Spacekey inside, by that application's id."""

    PERSON = "person"
    TOKEN = "token"  # noqa: S105 - a kind, not a secret
    OPERATOR = "operator"
    SERVICE = "service"
    EXTERNAL = "external"
    SYSTEM = "system"


@dataclass(frozen=True, slots=True)
class Actor:
    """Person, token, operator, service, external user or system that did something.

    ``kind`` and ``id`` identify it. ``name`` is its name at that moment: people choose it, it need not be unique, and
    it is empty once a person was erased.
    """

    kind: ActorKind
    id: str
    name: str


SYSTEM_ACTOR = Actor(ActorKind.SYSTEM, SYSTEM_ID, SYSTEM_ID)


def is_actor_id(text: str) -> bool:
    """Return whether an actor can have this id: 1 to 200 visible characters without blanks at the ends.

    Applications choose the ids of their users, so an id may be a number, a UUID or an email address.
    """
    return 1 <= len(text) <= ACTOR_ID_LENGTH_MAX and text.isprintable() and text == text.strip()


def kind_of(actor_id: str) -> ActorKind:
    """Return the kind that an id implies, for rows that were written before kinds were stored."""
    match id_prefix(actor_id):
        case str(prefix) if prefix == USER:
            return ActorKind.PERSON
        case str(prefix) if prefix == KEY:
            return ActorKind.TOKEN
    if actor_id in {UNKNOWN_PERSON_ID, _LEGACY_UNKNOWN_PERSON_ID}:
        return ActorKind.PERSON
    if actor_id == OPERATOR_ID:
        return ActorKind.OPERATOR
    return ActorKind.SYSTEM if actor_id == SYSTEM_ID else ActorKind.SERVICE


def actor_from(kind: str | None, actor_id: str, name: str) -> Actor:
    """Return the actor that a stored row names; a missing kind follows from the id."""
    return Actor(kind_of(actor_id) if kind is None else ActorKind(kind), actor_id, name)
