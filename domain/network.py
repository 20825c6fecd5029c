"""Client addresses: their canonical spelling, and the network that an address belongs to."""

from __future__ import annotations

from ipaddress import IPv6Address, ip_address

IPV6_PREFIX_BITS = 64
ADDRESS_LENGTH_MAX = 64


def client_address(text: str) -> str:
    """Return an IP address in its canonical spelling (RFC 5952), or the empty string for anything else.

    Addresses come from proxies and other apps, which also write ``unknown``, host names or worse. IPv4 addresses mapped
    into IPv6 (RFC 4291 §2.5.5.2), as dual-stack sockets have them, become IPv4 addresses. A zone, which is meaningful
    on one machine only, is left out.
    """
    if len(text) > ADDRESS_LENGTH_MAX:
        return ""
    try:
        parsed = ip_address(text.partition("%")[0])
    except ValueError:
        return ""
    mapped = parsed.ipv4_mapped if isinstance(parsed, IPv6Address) else None
    return str(mapped or parsed)


def network_of(address: str) -> str:
    """Return an IPv4 address as it is; of an IPv6 address its /64, which one household or server has (RFC 6177).

    Anything else gives the empty string, so that made-up addresses share one bound.
    """
    known = client_address(address)
    if ":" not in known:
        return known
    return str(IPv6Address(int(IPv6Address(known)) >> IPV6_PREFIX_BITS << IPV6_PREFIX_BITS))


def address_of(client: tuple[str, int] | None) -> str:
    """Return the address of ``scope["client"]`` as ASGI has it; empty if the server did not give one."""
    return "" if client is None else client_address(client[0])
