"""URLs that name a Redis: which there are, how they are read and how they are shown."""

# ruff: noqa: N818  -- named for what is the matter, like the API's errors
import re
from pathlib import Path
from urllib.parse import SplitResult, urlsplit, urlunsplit

SCHEMES = (
    "redis",
    "rediss",
    "unix",
    "redis+sentinel",
    "rediss+sentinel",
    "redis+cluster",
    "rediss+cluster",
)
REDIS_PORT = 6379
SENTINEL_PORT = 26379


class InvalidUrl(ValueError):
    """A URL that names no Redis."""


def is_redis(place: str) -> bool:
    """Whether a setting names a Redis rather than a folder."""
    scheme, colon, _ = place.partition("://")
    return bool(colon) and scheme in SCHEMES


def check_url(url: str) -> SplitResult:
    """The parts of a URL.

    Raises:
        InvalidUrl: it does not start like one of a Redis.
    """
    if not is_redis(url):
        raise InvalidUrl(
            f"{without_password(url)} is no URL of a Redis; "
            f"it starts with one of {', '.join(f'{scheme}://' for scheme in SCHEMES)}"
        )
    return urlsplit(url)


def without_password(url: str) -> str:
    """The URL as it may be shown."""
    head, at, tail = url.rpartition("@")
    if not at:
        return url
    scheme, _, credentials = head.partition("://")
    user, colon, _ = credentials.partition(":")
    return f"{scheme}://{user}{':***' if colon else ''}@{tail}"


def folder_or_url(place: str | Path) -> str | Path:
    """A store's place: a URL if it is one, also after it was taken for a path, or a folder.

    A path has single slashes only: of redis://host it makes redis:/host.
    """
    match = re.fullmatch(r"([a-z+]+):/+(.*)", str(place))
    if match is None or match[1] not in SCHEMES:
        return Path(place)
    return f"{match[1]}://{'/' if match[1] == 'unix' and '@' not in match[2] else ''}{match[2]}"


def hosts(parts: SplitResult, port: int) -> list[tuple[str, int]]:
    """Every host with its port, `port` where none is given.

    Raises:
        InvalidUrl: one of them cannot be read.
    """
    found = []
    for place in parts.netloc.rpartition("@")[2].split(","):
        host, colon, number = place.rpartition(":")
        if not place or (colon and not (host and number.isdecimal())):
            raise InvalidUrl(f"{place!r} is not HOST or HOST:PORT")
        found.append((host, int(number)) if colon else (place, port))
    return found


def master_of(parts: SplitResult) -> tuple[str, int]:
    """The master that Sentinel is asked for, and the number of the database.

    Raises:
        InvalidUrl: they are not there.
    """
    master, _, database = parts.path.strip("/").partition("/")
    if not master or not (database or "0").isdecimal():
        raise InvalidUrl("Sentinel needs /MASTER or /MASTER/DATABASE behind the hosts")
    return master, int(database or 0)


def of_one_host(parts: SplitResult, host: str, port: int) -> str:
    """The URL of one of several hosts, with the user, password and options given for all."""
    scheme = parts.scheme.partition("+")[0]
    user, at, _ = parts.netloc.rpartition("@")
    bare = host if host.startswith("[") or ":" not in host else f"[{host}]"
    return urlunsplit((scheme, f"{user}{at}{bare}:{port}", "", parts.query, ""))
