"""Ids as arguments: checked before anything is asked."""

from __future__ import annotations

import re

from spacekey.domain.actor import OPERATOR_ID, SYSTEM_ID, UNKNOWN_PERSON_ID
from spacekey.domain.ids import KEY, SERVICE, USER, id_prefix
from spacekey.domain.refusal import InputCode, InvalidInput
from spacekey.domain.suggest import did_you_mean

from .run import USAGE, Failure

SERVICE_ID = re.compile(r"app_[a-z0-9][a-z0-9-]{0,59}", re.ASCII)
"""Id of a service in events from before services had ids of the usual shape."""


def token_id(text: str) -> str:
    """Return the text if it has the format of a token's id.

    :raises Failure: otherwise.
    """
    if id_prefix(text) != KEY:
        raise Failure("TOKEN: write a token's id (key_…). 'spacekey token list' shows them.", USAGE)
    return text


def actor_id(parameter: str, text: str) -> str:
    """Return the text if an actor can have this id: a person, token, service, the operator or the system.

    :raises InvalidInput: otherwise.
    """
    known = (OPERATOR_ID, SYSTEM_ID, UNKNOWN_PERSON_ID)
    if id_prefix(text) in (USER, KEY, SERVICE) or text in known or SERVICE_ID.fullmatch(text):
        return text
    raise InvalidInput(
        parameter,
        f"Write an id: usr_…, key_…, app_… or {', '.join(known[:-1])}.{did_you_mean(text, known)}",
        InputCode.INVALID_FORMAT,
    )
