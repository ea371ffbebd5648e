"""Which addresses may be reached: the public ones, and none that leads inward.

A member may name any address, and what answers there may name the next, so the question is asked of the number that
is about to be dialled, after every name has been looked up (:mod:`net.dialling`). The ranges are those of the IANA
special-purpose registries, as Python's ``ipaddress`` keeps them, and what IPv6 addresses carry inside them.
"""

from __future__ import annotations

import ipaddress

_GLOBAL_UNICAST = ipaddress.IPv6Network("2000::/3")  # RFC 4291: all that was ever given out
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")  # RFC 6052: an IPv4 address in its last 32 bits
_DOCUMENTATION = ipaddress.IPv6Network("3fff::/20")  # RFC 9637
_INWARD_V4 = (
    ipaddress.IPv4Network("192.0.0.0/24"),  # RFC 6890: protocol assignments; a cloud's metadata at 192.0.0.192
    ipaddress.IPv4Network("192.88.99.0/24"),  # RFC 7526: 6to4 relays, withdrawn
    ipaddress.IPv4Network("168.63.129.16/32"),  # Azure's own host, a public number that stays inside
)

COMMON_PORTS = frozenset({80, 443})
FIRST_FREE_PORT = 1024
"""Below it stand mail, shells and printers: only the web's own two are asked there."""


def is_public(number: str) -> bool:
    """Whether this IP address, as digits, belongs to a server on the public internet. False for what is no address."""
    try:
        address = ipaddress.ip_address(number.partition("%")[0])
    except ValueError:
        return False
    return _is_public_v4(address) if isinstance(address, ipaddress.IPv4Address) else _is_public_v6(address)


def _is_public_v4(address: ipaddress.IPv4Address) -> bool:
    special = address.is_multicast or address.is_reserved or any(address in network for network in _INWARD_V4)
    return address.is_global and not special


def _is_public_v6(address: ipaddress.IPv6Address) -> bool:
    inside = carried(address)
    if inside is not None:
        return all(_is_public_v4(each) for each in inside)
    return address in _GLOBAL_UNICAST and address.is_global and address not in _DOCUMENTATION


def carried(address: ipaddress.IPv6Address) -> tuple[ipaddress.IPv4Address, ...] | None:
    """The IPv4 addresses that an IPv6 address leads to: mapped, 6to4, Teredo, NAT64; None where it carries none."""
    if address.ipv4_mapped is not None:
        return (address.ipv4_mapped,)
    if address.sixtofour is not None:
        return (address.sixtofour,)
    if address.teredo is not None:
        return address.teredo
    if address in _NAT64:
        return (ipaddress.IPv4Address(int(address) & 0xFFFF_FFFF),)
    return None


def is_port_allowed(port: int) -> bool:
    return port in COMMON_PORTS or FIRST_FREE_PORT <= port <= 65_535
