"""Addresses of clients: one spelling, and nothing else passes for one."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spacekey.domain.network import client_address, network_of


@pytest.mark.parametrize(
    ("written", "address"),
    [
        ("203.0.113.9", "203.0.113.9"),
        ("::ffff:203.0.113.9", "203.0.113.9"),
        ("::FFFF:cb00:7109", "203.0.113.9"),
        ("2001:DB8:0:0:0:0:0:7", "2001:db8::7"),
        ("fe80::1%eth0", "fe80::1"),
        ("fe80::1%<b>x</b>", "fe80::1"),
        ("unknown", ""),
        ("_hidden", ""),
        ("<b>x</b>", ""),
        ("203.0.113.9:443", ""),
        ("203.0.113.09", ""),
        ("٢٠٣.0.113.9", ""),
        ("", ""),
        ("1" * 10_000, ""),
    ],
)
def test_an_address_has_one_spelling_and_the_rest_is_none(written: str, address: str) -> None:
    assert client_address(written) == address


@given(st.text(max_size=80))
def test_whatever_is_sent_an_address_comes_out_or_nothing(text: str) -> None:
    address = client_address(text)
    assert address == "" or str(ip_address(address)) == address
    assert client_address(address) == address


@given(st.ip_addresses(v=4))
def test_both_forms_of_an_ipv4_address_are_one_network(address: IPv4Address) -> None:
    assert (
        client_address(f"::ffff:{address}")
        == network_of(f"::ffff:{address}")
        == network_of(str(address))
        == str(address)
    )


@given(st.ip_addresses(v=6), st.integers(0, 2**64 - 1))
def test_a_household_of_ipv6_is_one_network(address: IPv6Address, host: int) -> None:
    neighbour = IPv6Address(int(address) >> 64 << 64 | host)
    if address.ipv4_mapped is None and neighbour.ipv4_mapped is None:
        assert network_of(str(address)) == network_of(str(neighbour))


def test_made_up_addresses_share_one_network() -> None:
    assert {network_of(one) for one in ("unknown", "<b>x</b>", "", "a" * 100)} == {""}
