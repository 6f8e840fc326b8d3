"""How well edited copies are told, measured: what is found at which rate of false accusations.

Every copy stands against its source and against the photographs of the split most like it, none
of which it is a copy of: a copy that is held for one of them is a false accusation.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np

from api_schemas.card import CopyVerification, ModelCard
from model.copies import verified_probabilities
from model.encoder import Encoder
from model.evaluate import Progress
from model.evidence.copy_pairs import InDesign, in_design, laid_on_nearest, table_in_design
from model.evidence.edits import EDITS
from model.evidence.figures import EvidenceUnavailable
from model.evidence.pairs import COPIES_OF_EACH
from model.evidence.rates import detection_at
from model.evidence.readings import Floats
from model.labels import LabelTable
from model.robustness import open_picture
from model.sheet import Sheet, figure

RATES: Final = (0.01, 0.001)
"""Of copies held for one of another picture, at which detection is told."""
ALL: Final = "all"


@dataclass(frozen=True)
class EditTrial:
    """Copies of one edit.

    Attributes:
        copies: how many.
        found: share above the threshold at each of RATES, over all edits.
        said: share said to be a copy of its source at the card's own threshold.
    """

    copies: int
    found: tuple[float, ...]
    said: float


@dataclass(frozen=True)
class CopyTrial:
    """Everything measured on one split.

    Attributes:
        split: its name.
        edits: by name, and all of them together under "all".
        accused: share of copies said at the card's own threshold to be one of another picture.
        compared_with: other photographs.
        laid_on: as many of those, the nearest.
    """

    split: str
    edits: Mapping[str, EditTrial]
    accused: float
    compared_with: int
    laid_on: int


def verification_of(card: ModelCard) -> CopyVerification:
    """What the card says of two pictures laid one on the other.

    Raises:
        EvidenceUnavailable: it says nothing.
    """
    design = card.design_space
    if design is None or design.verification is None:
        raise EvidenceUnavailable(
            f"the model {card.name} {card.version} cannot lay copies on their source: "
            + ("its space for copies was exported before" if design else "it has no design space")
            + "; lapel train-design makes one that can"
        )
    return design.verification


def measure_copies(
    encoder: Encoder, table: LabelTable, progress: Progress | None = None
) -> CopyTrial:
    """Measure on one split.

    Args:
        encoder: the model.
        table: the split's photographs, two or more.
        progress: told of pictures embedded, `pictures_needed` of them.

    Raises:
        EvidenceUnavailable: the card does not say what to make of alignments.
        UndecodableImage: naming the first file that cannot be read.
    """
    verification = verification_of(encoder.card)
    photographs = table_in_design(encoder, table, progress)
    own, others, names = list[float](), list[float](), list[str]()
    for row, file in enumerate(table.files):
        picture = open_picture(file)
        turns = [(COPIES_OF_EACH * row + turn) % len(EDITS) for turn in range(COPIES_OF_EACH)]
        edits = [list(EDITS.items())[turn] for turn in turns]
        made = [(name, copy) for name, edit in edits if (copy := edit(picture)) is not None]
        if made:
            copies = in_design(encoder, [copy for _, copy in made])
            there, elsewhere = _scores(verification, copies, photographs, row)
            own += there
            others += elsewhere
            names += [name for name, _ in made]
        if progress:
            progress(COPIES_OF_EACH)
    return _trial(verification, table, np.array(own), np.array(others), np.array(names))


def pictures_needed(images: int) -> int:
    """How many pictures `measure_copies` tells of, for a split of so many images."""
    return (1 + COPIES_OF_EACH) * images


def copy_sheet(trial: CopyTrial) -> Sheet:
    """The figures as texts."""
    at = tuple(f"at {100 * rate:g} %" for rate in RATES)
    return Sheet(
        f"share of edited copies told of their source ({trial.split} split), where that share of "
        f"copies is held for one of {trial.compared_with} other photographs (laid on the "
        f"{trial.laid_on} nearest); said: at the card's threshold, at which "
        f"{100 * trial.accused:.2g} % are held for one of another",
        ("edit", "copies", *at, "said"),
        tuple(
            (name, str(edit.copies), *map(figure, (*edit.found, edit.said)))
            for name, edit in trial.edits.items()
        ),
    )


def _scores(
    verification: CopyVerification, copies: InDesign, photographs: InDesign, source: int
) -> tuple[list[float], list[float]]:
    """Of each copy: that it is one of its source, and the most that it is one of another."""
    count = len(copies.features)
    laid = list(laid_on_nearest(copies, photographs, [source] * count, verification.nearest))
    of_copy, of_photograph = (
        np.array(column) for column in ([e.copy for e in laid], [e.photograph for e in laid])
    )
    both = verified_probabilities(
        (copies.vectors[of_copy] * photographs.vectors[of_photograph]).sum(axis=1),
        copies.norms[of_copy],
        photographs.norms[of_photograph],
        [each.alignment for each in laid],
        verification,
    )
    own = of_photograph == source
    worst = np.zeros(count)
    np.maximum.at(worst, of_copy[~own], both[~own].max(axis=1))
    return both[own, 0].tolist(), worst.tolist()


def _trial(
    verification: CopyVerification,
    table: LabelTable,
    own: Floats,
    others: Floats,
    names: np.ndarray,
) -> CopyTrial:
    def of(rows: np.ndarray) -> EditTrial:
        said = float((own[rows] >= verification.threshold).mean())
        return EditTrial(int(rows.sum()), detection_at(others, own[rows], RATES), said)

    present = [name for name in EDITS if (names == name).any()]
    edits = {name: of(names == name) for name in present}
    return CopyTrial(
        split=table.splits[0],
        edits={**edits, ALL: of(np.ones(len(own), bool))},
        accused=float((others >= verification.threshold).mean()),
        compared_with=len(table) - 1,
        laid_on=min(verification.nearest, len(table) - 1),
    )
