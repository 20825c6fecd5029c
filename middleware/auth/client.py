"""The client that sent the secret being verified, for verifiers that tell its owner of a refusal.

A verifier is given a secret and nothing else (:class:`spacekey.domain.verifier.Verifier`). If it has a refusal to
report, it calls :func:`sender`, in the task that verifies or in one that it started meanwhile. Nothing is read from a
request before that.
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
    """The client that sent a secret, as far as its request tells; unknown fields are empty. Headers can be forged.

    :param ip: the client's address, the one that usage counts.
    :param user_agent: at most 300 characters, all of them printable.
    :param request_id: the request's ``X-Request-Id``, if it has a well-formed one.
    :param origin: the page's origin, if the request has one ``Origin``.
    """

    ip: str = ""
    user_agent: str = ""
    request_id: str = ""
    origin: str = ""


UNKNOWN = Sender()
"""Sender of a secret that is verified outside of a request, or by code that does not name one."""


class SentBy:
    """Context in which :func:`sender` describes the request with this ASGI scope.

    :param scope: None if what is verified was not sent by a client.
    :param environment: the one that the app will require of the token once it is verified; None for any.

    Tasks and connections that are created in the context keep a copy of it for as long as they live. After the
    verification they find :data:`UNKNOWN` there, so that they keep no request, and no secret of one, alive.
    """

    __slots__ = ("_before", "_scope", "environment")

    _before: Token[SentBy | None]

    def __init__(self, scope: Scope | None, environment: str | None = None) -> None:
        self._scope = scope
        self.environment = environment

    def __enter__(self) -> None:
        self._before = _SENT_BY.set(self)

    def __exit__(self, *_error: object) -> None:
        _SENT_BY.reset(self._before)
        self._scope = None

    @property
    def sender(self) -> Sender:
        """The request's client; :data:`UNKNOWN` once the verification is over."""
        return UNKNOWN if self._scope is None else _sender_in(self._scope)


_SENT_BY: ContextVar[SentBy | None] = ContextVar("spacekey.sent_by", default=None)


def sender() -> Sender:
    """Return the client that sent what this task verifies.

    If several callers wait for one verdict, each task finds its own client.
    """
    by = _SENT_BY.get()
    return UNKNOWN if by is None else by.sender


def required_environment() -> str | None:
    """Return the environment that the app requires of the token that this task verifies; None for any.

    The verdict does not depend on it, since it may be cached for another app. But a token that will be refused does not
    count as used, and ends no other token.
    """
    by = _SENT_BY.get()
    return None if by is None else by.environment


def request_id_in(scope: Scope) -> str:
    """Return the ``X-Request-Id``, 8 to 64 of ``[A-Za-z0-9._-]``; empty if it is missing, malformed or repeated."""
    sent = [value for name, value in scope["headers"] if name == b"x-request-id"]
    text = sent[0].decode("latin-1") if len(sent) == 1 else ""
    return text if _WELL_FORMED.fullmatch(text) else ""


def _sender_in(scope: Scope) -> Sender:
    agent = next((value for name, value in scope["headers"] if name == b"user-agent"), b"")
    text = agent[:USER_AGENT_LENGTH_MAX].decode("latin-1")
    origins = [value for name, value in scope["headers"] if name == b"origin"]
    return Sender(
        ip=address_of(scope.get("client")),
        user_agent=text if text.isprintable() else "".join(one for one in text if one.isprintable()),
        request_id=request_id_in(scope),
        origin=origins[0].decode("latin-1") if len(origins) == 1 else "",
    )


# Form fields that an app sends with an introspection request, as RFC 7662 §2.1 allows. They are the app's claim, shown
# to the owner, and decide nothing: a malformed value is left out by the app and ignored by the server.
CLIENT_IP = "client_ip"
CLIENT_USER_AGENT = "client_user_agent"


def sender_fields(sender: Sender) -> dict[str, str]:
    """Return the form fields that describe ``sender``, without unknown ones."""
    told = {CLIENT_IP: client_address(sender.ip), CLIENT_USER_AGENT: _user_agent(sender.user_agent)}
    return {name: text for name, text in told.items() if text}


def sender_from_fields(fields: Mapping[str, str]) -> Sender:
    """Return the sender that form fields describe; its fields are empty if theirs are missing or malformed."""
    return Sender(client_address(fields.get(CLIENT_IP, "")), _user_agent(fields.get(CLIENT_USER_AGENT, "")))


def _user_agent(text: str) -> str:
    return text if len(text) <= USER_AGENT_LENGTH_MAX and text.isprintable() else ""
