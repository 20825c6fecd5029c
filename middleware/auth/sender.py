"""Who sent the secret that is being verified, for verifiers that tell its owner of a refusal.

A verifier is given a secret and nothing else (:class:`spacekey.domain.verifier.Verifier`). One that has a refusal to
tell of asks :func:`sender`, in the task that verifies or in one that it started meanwhile. Nothing is read of a request
before that.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from contextvars import ContextVar, Token
from dataclasses import dataclass

from starlette.types import Scope

from spacekey.domain.network import address_of, client_address

USER_AGENT_LENGTH_MAX = 300

_WELL_FORMED = re.compile(r"[A-Za-z0-9._-]{8,64}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Sender:
    """Where a secret came from, as far as its request tells; empty where it does not. Headers are anybody's to write.

    :param ip: the client's address, the one that usage counts.
    :param user_agent: at most 300 characters, all of them printable.
    :param request_id: the request's ``X-Request-Id``, where it has one that is well-formed.
    """

    ip: str = ""
    user_agent: str = ""
    request_id: str = ""


UNKNOWN = Sender()
"""Verified outside of a request, or by whoever does not say for whom."""


class SentBy:
    """A context in which :func:`sender` tells of the request with this ASGI scope.

    :param environment: the one that the app will hold the token to when the verifier has answered; None is any.

    Tasks and connections that are made within keep a copy of the context for as long as they live; what they find in
    it afterwards is nobody, so that they keep no request, and no secret of one, alive.
    """

    __slots__ = ("_before", "_scope", "environment")

    _before: Token[SentBy | None]

    def __init__(self, scope: Scope, environment: str | None = None) -> None:
        self._scope: Scope | None = scope
        self.environment = environment

    def __enter__(self) -> None:
        self._before = _SENT_BY.set(self)

    def __exit__(self, *_error: object) -> None:
        _SENT_BY.reset(self._before)
        self._scope = None

    @property
    def sender(self) -> Sender:
        """Nobody, when the verification is over."""
        return UNKNOWN if self._scope is None else _sender_in(self._scope)


_SENT_BY: ContextVar[SentBy | None] = ContextVar("spacekey.sent_by", default=None)


def sender() -> Sender:
    """Who sent what is being verified here and now; where several wait for one answer, each finds itself."""
    by = _SENT_BY.get()
    return UNKNOWN if by is None else by.sender


def required_environment() -> str | None:
    """The environment that the app will hold to what is being verified here and now; None for any.

    A verifier answers all the same: what it says may be kept for another app. But a token that will be refused is not
    used by that, and ends no other.
    """
    by = _SENT_BY.get()
    return None if by is None else by.environment


def request_id_in(scope: Scope) -> str:
    """The request's own ``X-Request-Id``: 8 to 64 of ``[A-Za-z0-9._-]``; empty without one, or with two."""
    sent = [value for name, value in scope["headers"] if name == b"x-request-id"]
    text = sent[0].decode("latin-1") if len(sent) == 1 else ""
    return text if _WELL_FORMED.fullmatch(text) else ""


def _sender_in(scope: Scope) -> Sender:
    agent = next((value for name, value in scope["headers"] if name == b"user-agent"), b"")
    text = agent[:USER_AGENT_LENGTH_MAX].decode("latin-1")
    return Sender(
        ip=address_of(scope.get("client")),
        user_agent=text if text.isprintable() else "".join(one for one in text if one.isprintable()),
        request_id=request_id_in(scope),
    )


# Two form fields that an app sends with an introspection, as RFC 7662 §2.1 allows. They are the app's word, for the
# owner to read, and decide nothing: a value of the wrong form is left out by the sender and ignored by the receiver.
CLIENT_IP = "client_ip"
CLIENT_USER_AGENT = "client_user_agent"


def sender_fields(sender: Sender) -> dict[str, str]:
    """The form fields that tell of ``sender``; none of what is not known."""
    told = {CLIENT_IP: client_address(sender.ip), CLIENT_USER_AGENT: _user_agent(sender.user_agent)}
    return {name: text for name, text in told.items() if text}


def sender_from_fields(fields: Mapping[str, str]) -> Sender:
    """Of whom these form fields tell; it is empty where they tell nothing, or no address and no user agent."""
    return Sender(client_address(fields.get(CLIENT_IP, "")), _user_agent(fields.get(CLIENT_USER_AGENT, "")))


def _user_agent(text: str) -> str:
    return text if len(text) <= USER_AGENT_LENGTH_MAX and text.isprintable() else ""
