"""Operations on evidence, as in `calls`."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal
from urllib.parse import quote

import httpx

from lapel_client import answers
from lapel_client.call import Call, given, names_of, reads
from lapel_client.images import Document, Image, reference

Attention = Literal["none", "grid", "overlay"]
"""Where the network looked: left out, as shares of cells, or as PNG data URIs."""


@dataclass(frozen=True, slots=True)
class Policy:
    """When two designs are called alike; what is None is as in the model's own policy.

    Attributes:
        name: what reports call it.
        attributes: those that count, with their weights.
        max_chance: an attribute is a point alike where so few unrelated pairs are as alike.
        min_points: points alike that it takes.
        min_probability: that the combined probability must reach.
    """

    name: str | None = None
    attributes: Mapping[str, float] | None = None
    max_chance: float | None = None
    min_points: int | None = None
    min_probability: float | None = None


@dataclass(frozen=True, slots=True)
class EvidenceReport:
    """One file that needs nothing beside it.

    Attributes:
        content: the file.
        media_type: text/html or application/pdf.
    """

    content: bytes
    media_type: str


def post_evidence(
    a: Image,
    b: Image,
    *,
    name_a: str | None = None,
    name_b: str | None = None,
    attributes: Sequence[str] | None = None,
    policy: Policy | None = None,
    attention: Attention | None = None,
    catalog: str | None = None,
) -> Call[answers.EvidenceAnswer]:
    """Examine two images."""
    body = given(
        a=reference(a),
        b=reference(b),
        name_a=name_a,
        name_b=name_b,
        attributes=names_of(attributes),
        policy=policy_of(policy),
    )
    options = {"json": body, "params": given(attention=attention, catalog=catalog)}
    return Call("POST", "/v1/evidence", reads(answers.EvidenceAnswer), options, once=True)


def list_evidence(
    *, cursor: str | None = None, limit: int | None = None
) -> Call[answers.EvidenceList]:
    """One page of evidence, newest first."""
    options = {"params": given(cursor=cursor, limit=limit)}
    return Call("GET", "/v1/evidence", reads(answers.EvidenceList), options)


def get_evidence(
    evidence_id: str, *, attention: Attention | None = None
) -> Call[answers.EvidenceAnswer]:
    """Evidence as it was answered."""
    options = {"params": given(attention=attention)}
    return Call("GET", _place(evidence_id), reads(answers.EvidenceAnswer), options)


def delete_evidence(evidence_id: str) -> Call[None]:
    """Delete evidence and both files."""
    return Call("DELETE", _place(evidence_id), lambda response: None)


def verify_evidence(evidence_id: str) -> Call[answers.VerificationAnswer]:
    """Whether anything was altered, and whether the figures are found again."""
    return Call("GET", f"{_place(evidence_id)}/verify", reads(answers.VerificationAnswer))


def report_evidence(
    evidence_id: str,
    *,
    format: Literal["html", "pdf"] | None = None,
    paper: Literal["a4", "letter"] | None = None,
) -> Call[EvidenceReport]:
    """The report."""
    options = {"params": given(format=format, paper=paper)}
    return Call("GET", f"{_place(evidence_id)}/report", _report, options)


def policy_of(policy: Policy | None) -> Document | None:
    """The policy as requests have it."""
    if policy is None:
        return None
    return given(
        name=policy.name,
        attributes=policy.attributes,
        max_chance=policy.max_chance,
        min_points=policy.min_points,
        min_probability=policy.min_probability,
    )


def _report(response: httpx.Response) -> EvidenceReport:
    media_type = response.headers.get("content-type", "").partition(";")[0]
    return EvidenceReport(response.content, media_type)


def _place(evidence_id: str) -> str:
    return f"/v1/evidence/{quote(evidence_id, safe='')}"
