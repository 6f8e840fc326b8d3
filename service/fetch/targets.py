"""From the text of a URL to what may be asked for: scheme, host, port, path.

The text is refused where programs read it differently: a backslash, white space, a user before
the host, an address that is not written out. Which addresses a name has is not asked here.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple
from urllib.parse import SplitResult, quote, urljoin, urlsplit

import idna

from service.errors import ImageUrlNotAllowed
from service.fetch.addresses import is_literal, is_loopback, is_public

PORTS = {"http": 80, "https": 443}
MAX_NAME_LENGTH = 253

_MISREAD = re.compile(r"[\x00-\x20\x7f\\]")
_LABEL = re.compile(r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?")
_NUMERIC = re.compile(r"[0-9]+|0x[0-9a-f]*")
_PATH_SAFE = "/%:@!$&'()*+,;=~-._"


@dataclass(frozen=True, slots=True)
class Target:
    """What is asked of whom.

    Attributes:
        host: a name in ASCII and lower case, or an address without brackets.
        path: with the query, in ASCII.
    """

    scheme: str
    host: str
    port: int
    path: str

    @property
    def authority(self) -> str:
        """Host and port as the Host header and a URL write them."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == PORTS[self.scheme] else f"{host}:{self.port}"

    @property
    def url(self) -> str:
        """The whole URL."""
        return f"{self.scheme}://{self.authority}{self.path}"


class HostRule(NamedTuple):
    """One entry of the list of hosts.

    Attributes:
        name: a host, or what all names below a domain end in, with the dot.
        below: whether it is the latter.
        port: the only port it may have; None for the scheme's own.
    """

    name: str
    below: bool
    port: int | None

    @classmethod
    def read(cls, text: str) -> "HostRule":
        """`example.com`, `*.example.com` or `example.com:8443`; the setting holds its form."""
        name, _, port = text.strip().lower().partition(":")
        below = name.startswith("*.")
        return cls(name.removeprefix("*"), below, int(port) if port else None)

    def names(self, host: str) -> bool:
        """Whether the host is the one meant, or one of those."""
        return host.endswith(self.name) if self.below else host == self.name


class Rules:
    """What may be fetched.

    Args:
        hosts: the only hosts, where there are any.
        loopback: whether this machine may be asked too, at any port; for tests.
    """

    def __init__(self, hosts: Sequence[HostRule] = (), *, loopback: bool = False) -> None:
        self._hosts = tuple(hosts)
        self._loopback = loopback

    def target(self, url: str) -> Target:
        """What a URL asks for.

        Raises:
            ImageUrlNotAllowed: saying what about it is not allowed.
        """
        parts = _split(url)
        if parts.scheme not in PORTS:
            raise ImageUrlNotAllowed(
                f"scheme {parts.scheme[:40]!r} is not fetched; allowed: https, http"
            )
        if "@" in parts.netloc:
            raise ImageUrlNotAllowed("a URL with a user or password before the host is not fetched")
        host = _host(parts)
        target = Target(parts.scheme, host, _port(parts), _path(parts))
        self._check_host(target)
        return target

    def redirected(self, location: str, origin: Target) -> Target:
        """Where an answer sends us, by the same rules.

        Raises:
            ImageUrlNotAllowed: the new URL is not allowed, or has lost its encryption.
        """
        try:
            url = urljoin(origin.url, location)
        except ValueError:
            raise ImageUrlNotAllowed(f"{origin.host} redirects to no readable URL") from None
        try:
            target = self.target(url)
        except ImageUrlNotAllowed as exc:
            raise ImageUrlNotAllowed(f"{origin.host} redirects: {exc.detail}") from None
        if origin.scheme == "https" and target.scheme == "http":
            raise ImageUrlNotAllowed(f"{origin.host} redirects from https to http")
        return target

    def allows_address(self, address: str) -> bool:
        """Whether a connection may be made to this address."""
        return is_public(address) or (self._loopback and is_loopback(address))

    def _check_host(self, target: Target) -> None:
        rules = [rule for rule in self._hosts if rule.names(target.host)]
        if self._hosts and not rules:
            raise ImageUrlNotAllowed(
                f"host {target.host!r} is not one of those that images may come from"
            )
        ports = {rule.port or PORTS[target.scheme] for rule in rules} or {PORTS[target.scheme]}
        if target.port not in ports and not self._loopback:
            allowed = ", ".join(map(str, sorted(ports)))
            raise ImageUrlNotAllowed(f"port {target.port} is not allowed; allowed: {allowed}")


def _split(url: str) -> SplitResult:
    if _MISREAD.search(url):
        raise ImageUrlNotAllowed("the URL holds a blank, a backslash or a control character")
    try:
        url.encode()
        parts = urlsplit(url)
    except ValueError:
        raise ImageUrlNotAllowed("the URL cannot be read; write https://host/path") from None
    if parts.scheme in PORTS and not parts.netloc:
        raise ImageUrlNotAllowed("the URL names no host; write https://host/path")
    return parts


def _host(parts: SplitResult) -> str:
    """The host in the one form that is compared, looked up and sent."""
    host = parts.hostname or ""
    if "%" in host:  # a zone, or a name spelled in percent codes
        raise ImageUrlNotAllowed(f"host {host[:100]!r} is not written plainly")
    if "[" in parts.netloc:
        if not is_literal(host):
            raise ImageUrlNotAllowed(f"host {host[:100]!r} is not an IPv6 address")
        return host
    name = host if host.isascii() else _ascii(host)
    labels = name.split(".")
    if len(name) > MAX_NAME_LENGTH or not all(map(_LABEL.fullmatch, labels)):
        raise ImageUrlNotAllowed(f"host {name[:100]!r} is not a name")
    # Resolvers read 0177.1, 0x7f.1 and 2130706433 as addresses, each in its own way.
    if _NUMERIC.fullmatch(labels[-1]) and not is_literal(name):
        raise ImageUrlNotAllowed(f"host {name[:100]!r} is not an address in four decimal parts")
    return name


def _ascii(host: str) -> str:
    try:
        return idna.encode(host, uts46=True).decode("ascii").lower()
    except idna.IDNAError:
        raise ImageUrlNotAllowed(f"host {host[:100]!r} is not a name (RFC 5891)") from None


def _port(parts: SplitResult) -> int:
    try:
        port = parts.port
    except ValueError:
        raise ImageUrlNotAllowed("the port is not a number from 1 to 65535") from None
    if port == 0:
        raise ImageUrlNotAllowed("port 0 is not allowed")
    return PORTS[parts.scheme] if port is None else port


def _path(parts: SplitResult) -> str:
    path = quote(parts.path, safe=_PATH_SAFE) or "/"
    return f"{path}?{quote(parts.query, safe=_PATH_SAFE + '?')}" if parts.query else path
