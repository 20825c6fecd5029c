"""What an app tells with an introspection of whoever sent it the token, in two form fields of Spacekey's own.

RFC 7662 §2.1 allows for such parameters. They are the asking app's word, for the owner to read, and decide nothing:
what is not what it should be is left out by who sends it and ignored by who gets it.
"""

from __future__ import annotations

from collections.abc import Mapping

from spacekey.domain.network import client_address

from .sender import USER_AGENT_LENGTH_MAX, Sender

CLIENT_IP = "client_ip"
CLIENT_USER_AGENT = "client_user_agent"


def told_fields(sender: Sender) -> dict[str, str]:
    """The form fields that tell of ``sender``; none of what is not known."""
    told = {CLIENT_IP: client_address(sender.ip), CLIENT_USER_AGENT: _user_agent(sender.user_agent)}
    return {name: text for name, text in told.items() if text}


def told_sender(fields: Mapping[str, str]) -> Sender:
    """Of whom these form fields tell; it is empty where they tell nothing, or no address and no user agent."""
    return Sender(client_address(fields.get(CLIENT_IP, "")), _user_agent(fields.get(CLIENT_USER_AGENT, "")))


def _user_agent(text: str) -> str:
    return text if len(text) <= USER_AGENT_LENGTH_MAX and text.isprintable() else ""
