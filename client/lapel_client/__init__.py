"""Client of a Lapel service: `LapelClient`, and `AsyncLapelClient` with the same methods."""

from lapel_client.asynchronous import AsyncLapelClient
from lapel_client.bulk import NewGarment
from lapel_client.calls import NamedImage, StoredImage
from lapel_client.calls_evidence import EvidenceReport, Policy
from lapel_client.calls_screens import CatalogPart
from lapel_client.errors import (
    LapelError,
    NotFound,
    NotSigned,
    ProblemError,
    TimedOut,
    Unavailable,
    UnexpectedAnswer,
    Unreachable,
)
from lapel_client.images import Image, ImageUrl, StoredGarment
from lapel_client.notifications import read_notification
from lapel_client.retries import Retries
from lapel_client.synchronous import LapelClient

__all__ = [
    "AsyncLapelClient",
    "CatalogPart",
    "EvidenceReport",
    "Image",
    "ImageUrl",
    "LapelClient",
    "LapelError",
    "NamedImage",
    "NewGarment",
    "NotFound",
    "NotSigned",
    "Policy",
    "ProblemError",
    "Retries",
    "StoredGarment",
    "StoredImage",
    "TimedOut",
    "Unavailable",
    "UnexpectedAnswer",
    "Unreachable",
    "read_notification",
]
