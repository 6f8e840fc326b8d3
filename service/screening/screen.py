"""One screen as it is written down, and the summary made of it."""

from dataclasses import dataclass

from api_schemas.screens import ScreenRequest, ScreenState
from service.screening.records import Document


@dataclass(frozen=True, slots=True)
class Basis:
    """What a screen was begun with; under another model it begins anew.

    Attributes:
        designs: how many there were.
        threshold: as `api_schemas.screens.ScreenThreshold`.
        model: as `api_schemas.attributes.ModelIdentity`.
    """

    designs: int
    threshold: Document
    model: Document

    @property
    def fingerprint(self) -> str:
        """Of the model."""
        return str(self.model["fingerprint"])

    @property
    def rate(self) -> float:
        """Of false accusations, which the first pass settles for all."""
        return float(self.threshold["max_false_accusation_rate"])


@dataclass(frozen=True, slots=True)
class Screen:
    """One screen.

    Attributes:
        basis: None until it has begun.
        after: id of the last garment compared in this pass.
        since: when the pass before this one began; empty in the first.
        garments, pairs, found: so far, of all passes.
        created_at, updated_at: ISO 8601 UTC.
    """

    id: str
    state: ScreenState
    request: ScreenRequest
    basis: Basis | None
    after: str
    since: str
    garments: int
    pairs: int
    found: int
    progress: float
    detail: str | None
    created_at: str
    updated_at: str


def summary_of(screen: Screen, kept: int) -> Document | None:
    """As `api_schemas.screens.ScreenSummary`; None before it has begun."""
    basis = screen.basis
    if basis is None:
        return None
    return summary(
        basis.threshold,
        basis.model,
        designs=basis.designs,
        suspects=screen.garments,
        pairs=screen.pairs,
        findings=kept,
        found=screen.found,
        ended=screen.state in ("done", "watching"),
    )


def summary(
    threshold: Document,
    model: Document,
    *,
    designs: int,
    suspects: int,
    pairs: int,
    findings: int,
    found: int,
    ended: bool,
) -> Document:
    """As `api_schemas.screens.ScreenSummary`; before the end, more may be compared yet."""
    return {
        "designs": designs,
        "suspects": suspects,
        "pairs": pairs,
        "threshold": threshold,
        "expected_false_findings": threshold["max_false_accusation_rate"] * pairs,
        "findings": findings,
        "not_kept": max(0, found - findings),
        "note": _note(designs, suspects) if ended else None,
        "model": model,
    }


def _note(designs: int, suspects: int) -> str | None:
    """Why nothing was compared; None where something was."""
    if designs and suspects:
        return None
    side = "suspects" if designs else "designs"
    return (
        f"nothing was compared: no {side} in the catalog pass the filter and have vectors of this "
        "model; GET /v1/catalogs lists the catalogs that hold garments"
    )
