"""Measures beside `evaluate`'s, minutes rather than seconds, each asked for by name.

Robustness, attention, parting, evidence, copies; plain evaluation stays quick without them.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np

from model.attention import HIDDEN_SHARE, Hiding, Peaks, measure_hiding, measure_peaks
from model.encoder import Encoder
from model.evaluate import Progress, embed_table
from model.evidence import copy_trial
from model.evidence.copy_trial import CopyTrial, copy_sheet, measure_copies, verification_of
from model.evidence.figures import figures_of
from model.evidence.pairs import pictures_needed
from model.evidence.parting import Parting, measure_parting, parting_sheets
from model.evidence.parting_pairs import PICTURES_OF_A_PAIR
from model.evidence.quality import EvidenceQuality, measure_evidence
from model.evidence.sheets import evidence_sheets
from model.labels import LabelTable
from model.robustness import CHANGES, Robustness, measure_drawn_background, measure_robustness
from model.sheet import Sheet, figure

MEASURES: Final = ("robustness", "attention", "parting", "evidence", "copies")
DRAWN_COUNT: Final = 400
"""Garments drawn for the measures on drawings."""


@dataclass(frozen=True)
class FurtherQuality:
    """What was asked for; None where it was not."""

    robustness: Mapping[str, Robustness] | None = None
    drawn_background: Robustness | None = None
    hiding: Mapping[str, Hiding] | None = None
    peaks: Mapping[str, Peaks] | None = None
    parting: Mapping[str, Parting] | None = None
    evidence: EvidenceQuality | None = None
    copies: CopyTrial | None = None


def measure_all(
    encoder: Encoder,
    table: LabelTable,
    *,
    also: Collection[str] = MEASURES,
    drawn: int = DRAWN_COUNT,
    seed: int = 0,
    progress: Progress | None = None,
) -> FurtherQuality:
    """Measure what is asked for.

    Args:
        encoder: the model.
        table: one split.
        also: names among MEASURES.
        drawn: garments drawn, at least 1; for parting, pairs of them of each kind.
        seed: of the drawings and of the random areas.
        progress: told of pictures done; `pictures_to_do` says how many there are.

    Raises:
        ValueError: for another name, or where the model and the table share no attribute.
        EvidenceUnavailable: evidence or copies are asked for, and the model's card has no
            figures of them; before anything is measured.
        UndecodableImage: naming the first file that cannot be read.
    """
    if unknown := [name for name in also if name not in MEASURES]:
        raise ValueError(f"no measure {', '.join(unknown)}; there are {', '.join(MEASURES)}")
    if "evidence" in also:
        figures_of(encoder.card)
    if "copies" in also:
        verification_of(encoder.card)
    robust, attention = ("robustness" in also), ("attention" in also)
    return FurtherQuality(
        robustness=measure_robustness(encoder, table, progress=progress) if robust else None,
        drawn_background=measure_drawn_background(
            encoder, count=drawn, seed=seed, progress=progress
        )
        if robust
        else None,
        hiding=measure_hiding(encoder, table, seed=seed, progress=progress) if attention else None,
        peaks=measure_peaks(encoder, count=drawn, seed=seed, progress=progress)
        if attention
        else None,
        parting=measure_parting(
            encoder,
            embed_table(encoder, table, progress=progress),
            drawn=drawn,
            seed=seed,
            progress=progress,
        )
        if "parting" in also
        else None,
        evidence=measure_evidence(
            encoder,
            embed_table(encoder, table, progress=progress),
            drawn=max(2, drawn // 2),
            seed=seed,
            progress=progress,
        )
        if "evidence" in also
        else None,
        copies=measure_copies(encoder, table, progress) if "copies" in also else None,
    )


def pictures_to_do(images: int, also: Collection[str], *, drawn: int = DRAWN_COUNT) -> int:
    """How many pictures `measure_all` tells of, for a table of so many images."""
    robust = (1 + len(CHANGES)) * images + 2 * drawn if "robustness" in also else 0
    parting = images + PICTURES_OF_A_PAIR * drawn if "parting" in also else 0
    attention = images + drawn if "attention" in also else 0
    evidence = images + pictures_needed(images, drawn=max(2, drawn // 2))
    copies = copy_trial.pictures_needed(images) if "copies" in also else 0
    return robust + parting + attention + copies + (evidence if "evidence" in also else 0)


def further_tables(quality: FurtherQuality) -> tuple[Sheet, ...]:
    """The figures as texts: one table or several for each of what was measured."""
    tables = []
    if quality.robustness is not None:
        tables.append(_robustness_table(quality.robustness, quality.drawn_background))
    if quality.hiding is not None:
        tables.append(_hiding_table(quality.hiding))
    if quality.peaks is not None:
        tables.append(_peaks_table(quality.peaks))
    if quality.parting is not None:
        tables.extend(parting_sheets(quality.parting))
    if quality.evidence is not None:
        tables.extend(evidence_sheets(quality.evidence))
    if quality.copies is not None:
        tables.append(copy_sheet(quality.copies))
    return tuple(tables)


def _robustness_table(measured: Mapping[str, Robustness], drawn: Robustness | None) -> Sheet:
    every = {**measured, **({"busy background, drawn garments": drawn} if drawn else {})}
    names = tuple(dict.fromkeys(name for figures in every.values() for name in figures.changed))
    rows = [
        (
            change,
            f"{figures.images} of {figures.of}",
            *map(figure, (figures.mean_clean, figures.mean_changed)),
            f"{figures.points_lost:+.1f}",
            *(figure(figures.changed.get(n)) for n in names),
        )
        for change, figures in every.items()
    ]
    return Sheet(
        "MAP among photographs by others, all pictures changed; clean is of the same pictures",
        ("change", "pictures", "clean", "changed", "points lost", *names),
        tuple(rows),
    )


def _hiding_table(measured: Mapping[str, Hiding]) -> Sheet:
    rows = [
        (name, str(figures.images), *map(figure, (figures.attended, figures.elsewhere)))
        for name, figures in measured.items()
    ]
    ratios = [figures.ratio for figures in measured.values()]
    means = (
        _mean(figures.attended for figures in measured.values()),
        _mean(figures.elsewhere for figures in measured.values()),
        _mean(ratio for ratio in ratios if ratio is not None),
    )
    return Sheet(
        f"share of predicted values that change when {HIDDEN_SHARE:.0%} of the picture is hidden",
        ("attribute", "pictures", "most attended", "elsewhere", "ratio"),
        (
            *((*row, figure(ratio)) for row, ratio in zip(rows, ratios, strict=True)),
            ("mean", "", *map(figure, means)),
        ),
    )


def _peaks_table(measured: Mapping[str, Peaks]) -> Sheet:
    rows = [
        (name, str(figures.images), *map(figure, (figures.inside, figures.by_chance)))
        for name, figures in measured.items()
    ]
    means = (
        _mean(figures.inside for figures in measured.values()),
        _mean(figures.by_chance for figures in measured.values()),
    )
    return Sheet(
        "attention peaks inside the right part of drawn garments",
        ("attribute", "garments", "inside", "by chance"),
        (*rows, ("mean", "", *map(figure, means))),
    )


def _mean(figures: Iterable[float]) -> float | None:
    known = list(figures)
    return float(np.mean(known)) if known else None
