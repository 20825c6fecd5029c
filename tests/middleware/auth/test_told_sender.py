"""What an app tells of whoever sent it a token, and what is heard of it: an address and a user agent, or nothing."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from spacekey.middleware.auth.sender import UNKNOWN, Sender, sender_fields, sender_from_fields

GARBAGE_ADDRESSES = [
    "",
    "testclient",
    "192.0.2",
    "192.0.2.256",
    "192.0.2.7:80",
    "[2001:db8::7]",
    " 192.0.2.7",
    "192.0.2.7\n",
    "\u0661.2.3.4",
    "fe80::1%" + "x" * 64,
    "<script>",
    "9" * 9_999,
    "\ud800",
]
GARBAGE_AGENTS = ["", "a\nb", "a\x00b", "\x1b[31m", "\x7f", "x" * 301, "\u202e", "\ud800"]


@pytest.mark.parametrize("ip", ["192.0.2.7", "2001:db8::7", "::1"])
def test_an_address_and_a_user_agent_are_told_as_they_are(ip: str) -> None:
    told = Sender(ip, "Gr\xfc\xdfe/1 (x; y)", "req-12345")
    assert sender_fields(told) == {"client_ip": ip, "client_user_agent": "Gr\xfc\xdfe/1 (x; y)"}
    assert sender_from_fields(sender_fields(told)) == Sender(ip, "Gr\xfc\xdfe/1 (x; y)")


@pytest.mark.parametrize("ip", GARBAGE_ADDRESSES)
def test_what_is_no_address_is_neither_told_nor_heard(ip: str) -> None:
    assert sender_fields(Sender(ip, "curl/8")) == {"client_user_agent": "curl/8"}
    assert sender_from_fields({"client_ip": ip, "client_user_agent": "curl/8"}) == Sender("", "curl/8")


@pytest.mark.parametrize("user_agent", GARBAGE_AGENTS)
def test_what_is_no_user_agent_is_neither_told_nor_heard(user_agent: str) -> None:
    assert sender_fields(Sender("::1", user_agent)) == {"client_ip": "::1"}
    assert sender_from_fields({"client_ip": "::1", "client_user_agent": user_agent}) == Sender("::1")


@pytest.mark.parametrize("tell", [sender_fields, lambda _: sender_from_fields({})])
def test_of_nobody_nothing_is_told(tell: Callable[[Sender], object]) -> None:
    assert tell(UNKNOWN) in ({}, UNKNOWN)
