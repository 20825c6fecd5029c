"""Who did something: one shape in the audit log, in lists and in every interface."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum

from .ids import KEY, USER, id_prefix

OPERATOR_ID = "operator"
"""The id of the operator: the command line on the server itself."""

SYSTEM_ID = "system"
"""The id of Spacekey itself, where it acts on its own account, such as writing a checkpoint."""

UNKNOWN_PERSON_ID = "unknown"
"""The id of a person who failed to sign in and whose account could not be told."""

_LEGACY_UNKNOWN_PERSON_ID = "nobody"


class ActorKind(StrEnum):
    """What an actor is."""

    PERSON = "person"
    TOKEN = "token"  # noqa: S105 - a kind, not a secret
    OPERATOR = "operator"
    SERVICE = "service"
    SYSTEM = "system"


@dataclass(frozen=True, slots=True)
class Actor:
    """Who did something.

    ``kind`` and ``id`` identify; ``name`` is what they were called at that moment, is chosen by people, may equal
    anyone else's, and is empty once a person was erased.
    """

    kind: ActorKind
    id: str
    name: str


SYSTEM_ACTOR = Actor(ActorKind.SYSTEM, SYSTEM_ID, SYSTEM_ID)


_ID = re.compile(r"[a-z0-9][a-z0-9_-]{0,59}", re.ASCII)


def is_actor_id(text: str) -> bool:
    """Whether an actor can have this id: a name with a blank, a capital letter or an ``@`` cannot be one."""
    return _ID.fullmatch(text) is not None


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
