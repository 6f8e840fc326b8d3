"""Which addresses images may be fetched from, and the addresses of a name.

`ipaddress.is_global` is not asked: what it says changed between releases of Python, and several
of its global networks carry another, private address inside (NAT64, 6to4, Teredo). IPv6 is
allowed where unicast addresses are handed out today, 2000::/3, so that mapped, compatible,
NAT64, unique local, link-local and multicast addresses all lie outside.
"""

import asyncio
import ipaddress
import socket
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor

Resolver = Callable[[str], Awaitable[list[str]]]
"""From a name to its addresses; raises OSError when it has none."""

# IANA's registries of special-purpose addresses (RFC 6890 and its updates).
NOT_PUBLIC_IPV4 = tuple(
    map(
        ipaddress.IPv4Network,
        (
            "0.0.0.0/8",  # this host
            "10.0.0.0/8",  # private
            "100.64.0.0/10",  # shared by the customers of a provider
            "127.0.0.0/8",  # loopback
            "168.63.129.16/32",  # the host of an Azure machine: credentials, from anywhere inside
            "169.254.0.0/16",  # link-local, the clouds' metadata
            "172.16.0.0/12",  # private
            "192.0.0.0/24",  # protocol assignments
            "192.0.2.0/24",  # documentation
            "192.31.196.0/24",  # AS112
            "192.52.193.0/24",  # multicast tunnels
            "192.88.99.0/24",  # 6to4 relays
            "192.168.0.0/16",  # private
            "192.175.48.0/24",  # AS112
            "198.18.0.0/15",  # benchmarks
            "198.51.100.0/24",  # documentation
            "203.0.113.0/24",  # documentation
            "224.0.0.0/4",  # multicast
            "240.0.0.0/4",  # reserved, broadcast
        ),
    )
)
PUBLIC_IPV6 = ipaddress.IPv6Network("2000::/3")
NOT_PUBLIC_IPV6 = tuple(
    map(
        ipaddress.IPv6Network,
        (
            "2001::/23",  # protocol assignments: Teredo (2001::/32), benchmarks, ORCHID
            "2001:db8::/32",  # documentation
            "2002::/16",  # 6to4
            "2620:4f:8000::/48",  # AS112
            "3ffe::/16",  # 6bone, given back
            "3fff::/20",  # documentation
        ),
    )
)


def is_public(address: str) -> bool:
    """Whether an address belongs to a host on the public internet.

    Args:
        address: an IPv4 or IPv6 literal; anything else, and a zone, is not public.

    >>> [is_public(address) for address in ("93.184.215.14", "10.1.2.3", "::ffff:93.184.215.14")]
    [True, False, False]
    """
    literal = _literal(address)
    if literal is None:
        return False
    if isinstance(literal, ipaddress.IPv4Address):
        return not any(literal in network for network in NOT_PUBLIC_IPV4)
    return literal in PUBLIC_IPV6 and not any(literal in network for network in NOT_PUBLIC_IPV6)


def is_loopback(address: str) -> bool:
    """Whether an address is this machine's own, in its plain form: 127.0.0.0/8 or ::1."""
    literal = _literal(address)
    if literal is None:
        return False
    return literal in _LOOPBACK_IPV4 or literal == _LOOPBACK_IPV6


_LOOPBACK_IPV4 = ipaddress.IPv4Network("127.0.0.0/8")
_LOOPBACK_IPV6 = ipaddress.IPv6Address("::1")


def is_literal(host: str) -> bool:
    """Whether a host is an address rather than a name."""
    return _literal(host) is not None


class SystemResolver:
    """Asks the system's resolver, in threads of its own.

    Not in the event loop's threads: a name whose server does not answer holds its thread for
    longer than any request waits, and the catalog uses those.
    """

    def __init__(self, threads: int) -> None:
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="resolve")

    async def __call__(self, name: str) -> list[str]:
        """The addresses of a name, each once, in the system's order of preference.

        Raises:
            OSError: it has none, or its server did not answer.
        """
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._threads, _addresses, name)

    def close(self) -> None:
        """Look nothing up any more; threads that still wait for a server are left to end."""
        self._threads.shutdown(wait=False, cancel_futures=True)


def _addresses(name: str) -> list[str]:
    found = socket.getaddrinfo(name, None, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(socket_address[0]) for *_, socket_address in found))


def _literal(address: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    if "%" in address:  # a zone: only means something on this machine
        return None
    try:
        return ipaddress.ip_address(address)
    except ValueError:
        return None
