"""Which network an address belongs to, for bounds by address."""

from __future__ import annotations

from ipaddress import IPv6Address, ip_address

IPV6_PREFIX_BITS = 64


def network_of(address: str) -> str:
    """An IPv4 address as it is; of an IPv6 address its /64, which one household or server has to itself (RFC 6177)."""
    try:
        parsed = ip_address(address.split("%")[0])
    except ValueError:
        return address
    if not isinstance(parsed, IPv6Address):
        return address
    if parsed.ipv4_mapped is not None:
        return str(parsed.ipv4_mapped)
    return str(IPv6Address(int(parsed) >> IPV6_PREFIX_BITS << IPV6_PREFIX_BITS))
