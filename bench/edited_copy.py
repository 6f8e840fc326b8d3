"""Edited copies found among references: ours beside a perceptual hash and plain embeddings.

``python -m bench.edited_copy --data labels.csv`` edits photographs of a split the network was not
trained on, by a fixed seed, in the spirit of NDEC (Wang et al., AAAI 2023, arXiv 2205.12358):
half of the queries are copies of a reference, half are edited pictures of a garment that is not
among the references it is compared with, while one very like it is. Every (query, reference)
score of all queries is put into one order, and its average precision is taken.

Ours finds the references nearest by vectors and lays the query on them; what is not among them
comes behind all that are, by its vectors.
"""

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import NamedTuple

import imagehash
import numpy as np
from numpy.typing import NDArray
from PIL import Image
from rich.console import Console
from rich.progress import track

from api_schemas.card import CopyVerification
from bench import report
from bench.report import Goal, Report
from model.alignment import align
from model.copies import (
    directional_probabilities,
    missing_content,
    verified_missing,
    verified_probabilities,
)
from model.encoder import SHIPPED_MODEL, Encoder
from model.evidence.copy_pairs import points_of
from model.evidence.copy_trial import verification_of
from model.labels import LabelTable, read_labels
from model.local_features import LocalFeatures
from model.metrics import average_precision
from model.robustness import as_served, open_picture
from model.training.edits import KINDS, Edited, Editor, Source

REFERENCES = 600
SOURCES = 334
"""References that are copied, and as many photographs that are copied without being there."""
COPIES = 3
STRENGTHS = (0.2, 1.0)
COMPANIONS_EVERY = 16
"""Of the training photographs: on pages beside the copy, so not among the references."""
GOAL_AP = 0.90
GOAL_AHEAD = 0.10
GOAL_CROPS = 0.95
_SEED = 20240
_BATCH = 32

Floats = NDArray[np.float32]
track = partial(track, transient=True)


class Queries(NamedTuple):
    """Edited pictures.

    Attributes:
        pictures: (Q,) RGB.
        sources: (Q,) row of the reference each was made from.
        copies: (Q,) whether that reference stays; else the query has none.
        kinds: (Q,) what was done.
    """

    pictures: list[Image.Image]
    sources: NDArray[np.int64]
    copies: NDArray[np.bool_]
    kinds: list[tuple[str, ...]]


@dataclass(frozen=True)
class Embedded:
    """Pictures in all spaces of a model.

    Attributes:
        attributes: (N, A * D), of unit length.
        design: (N, D), of unit length.
        norms: (N,), of the space ``design``.
        features: N, their points.
    """

    attributes: Floats
    design: Floats
    norms: Floats
    features: list[LocalFeatures]


def measure(
    data: Path,
    model: Path = SHIPPED_MODEL,
    *,
    without_direction: Path | None = None,
    split: str = "test",
    seed: int = _SEED,
) -> Report:
    """Build queries and references, score every pair in each way, and compare.

    Args:
        data: CSV of labels with splits.
        model: a file with the space ``design``.
        without_direction: a file whose design space was trained with ``--direction 0``.
        split: whose photographs are copied; no network was trained on it.
        seed: of everything drawn at random.

    Raises:
        ValueError: a file has no design space, or does not tell of pictures laid on others.
        LabelTableError: the table cannot be read, or a split is missing.
    """
    encoder = _with_design(model)
    verification = verification_of(encoder.card)
    table = read_labels(data, attributes=list(encoder.card.attribute_names), leave_out={})
    rng = np.random.default_rng(seed)
    tested = table.split(split)
    chosen = rng.permutation(len(tested))[:REFERENCES]
    sources = tested.take(sorted(chosen.tolist()))
    companions, distractors = _companions_and_distractors(table, split)
    files = [*sources.files, *distractors]
    wholes = [open_picture(file) for file in track(files, description="reading")]
    references = _embedded(encoder, wholes, "references")
    editor = Editor([open_picture(file) for file in companions])
    queries = _queries(wholes, sources, references, editor, seed)
    asked = _embedded(encoder, queries.pictures, "queries")
    design = encoder.card.design_space
    assert design is not None
    cosines = asked.design @ references.design.T
    by_vectors = directional_probabilities(
        cosines, asked.norms[:, None], references.norms[None], design
    )[..., 0].astype(np.float32)
    scores = {
        "ours": _verified(asked, references, cosines, by_vectors, verification),
        "ours, vectors alone": by_vectors,
        "ours, vectors alone, without the asymmetric part": cosines,
        "mean of all attribute embeddings": asked.attributes @ references.attributes.T,
        "pHash (imagehash)": _hash_scores(queries.pictures, wholes),
    }
    if without_direction is not None:
        other = _with_design(without_direction)
        named = "ours, vectors alone, trained without the asymmetric part"
        scores[named] = (
            _embedded(other, queries.pictures, "queries").design
            @ _embedded(other, wholes, "references").design.T
        )
    crops = _crops(encoder, wholes[: len(sources)], references, editor, seed, verification)
    return _report(scores, queries, crops, verification, len(distractors), split)


def _with_design(model: Path) -> Encoder:
    encoder = Encoder.load(model)
    if encoder.card.design_space is None:
        raise ValueError(f"{model} has no design space; see lapel train-design")
    return encoder


def _companions_and_distractors(
    table: LabelTable, split: str
) -> tuple[Sequence[Path], Sequence[Path]]:
    """Files of the other splits: some to stand beside copies, all others as references."""
    rest = [file for file, of in zip(table.files, table.splits, strict=True) if of != split]
    companions = rest[::COMPANIONS_EVERY]
    return companions, [file for file in rest if file not in set(companions)]


def _embedded(encoder: Encoder, pictures: Sequence[Image.Image], what: str) -> Embedded:
    parts = []
    preprocessing, features = encoder.card.preprocessing, list[LocalFeatures]()
    for start in track(range(0, len(pictures), _BATCH), description=f"embedding {what}"):
        batch = pictures[start : start + _BATCH]
        found = encoder.encode(np.stack([as_served(each, preprocessing) for each in batch]))
        parts.append((found.vectors[:, :-1], found.vectors[:, -1], found.norms[:, -1]))
        features += points_of(batch, found.attention, preprocessing)
    by_attribute, design, norms = (np.concatenate(part) for part in zip(*parts, strict=True))
    flat = by_attribute.reshape(len(by_attribute), -1) / by_attribute.shape[1] ** 0.5
    return Embedded(flat, design, norms, features)


def _verified(
    queries: Embedded,
    references: Embedded,
    cosines: Floats,
    by_vectors: Floats,
    verification: CopyVerification,
) -> Floats:
    """Probabilities of the nearest, laid on the query; the others, less 1, by their vectors."""
    scores = by_vectors - 1.0
    for query in track(range(len(cosines)), description="laying copies on references"):
        nearest = np.argsort(-cosines[query], kind="stable")[: verification.nearest]
        laid = [align(queries.features[query], references.features[row]) for row in nearest]
        scores[query, nearest] = verified_probabilities(
            cosines[query, nearest],
            queries.norms[query],
            references.norms[nearest],
            laid,
            verification,
        )[:, 0]
    return scores


def _queries(
    wholes: Sequence[Image.Image],
    sources: LabelTable,
    references: Embedded,
    editor: Editor,
    seed: int,
) -> Queries:
    """Copies of some references, then edited pictures of those that have the nearest neighbours."""
    count = len(sources)
    copied = np.random.default_rng((seed, 1)).permutation(count)[:SOURCES]
    absent = _by_nearness(sources, references.attributes[:count])[:SOURCES]
    pictures, rows, stays, kinds = [], [], [], []
    every = [(row, True) for row in copied.tolist()] + [(row, False) for row in absent.tolist()]
    for row, is_copy in track(every, description="editing"):
        source = Source.of(wholes[row])
        for number in range(COPIES):
            edited = _edited(source, editor, np.random.default_rng((seed, row, number, is_copy)))
            pictures.append(edited.picture)
            rows.append(row)
            stays.append(is_copy)
            kinds.append(edited.kinds)
    return Queries(pictures, np.array(rows), np.array(stays), kinds)


def _edited(source: Source, editor: Editor, rng: np.random.Generator) -> Edited:
    """A third with one edit, the rest with up to four; never none."""
    strength = float(rng.uniform(*STRENGTHS))
    single = (str(rng.choice(KINDS)),) if rng.random() < 1 / 3 else None
    edited = editor.copy(source, strength, rng, kinds=single)
    return edited if edited.kinds else editor.copy(source, strength, rng, kinds=("crop",))


def _by_nearness(sources: LabelTable, attributes: Floats) -> NDArray[np.int64]:
    """Rows ordered by how like the most like other garment is: by equal labels, then vectors."""
    cells = np.array(list(sources.cells.values()))  # (A, N)
    equal = (cells[:, :, None] == cells[:, None, :]).sum(axis=0)
    likeness = equal + attributes @ attributes.T / 2  # cosines only decide among equals
    np.fill_diagonal(likeness, -np.inf)
    return np.argsort(-likeness.max(axis=1), kind="stable")


def _hash_scores(queries: Sequence[Image.Image], references: Sequence[Image.Image]) -> Floats:
    """Minus the Hamming distance of 64-bit perceptual hashes."""

    def bits(pictures: Sequence[Image.Image]) -> Floats:
        hashes = [imagehash.phash(picture).hash.ravel() for picture in pictures]
        return 2.0 * np.array(hashes, np.float32) - 1.0

    agreement: Floats = bits(queries) @ bits(references).T
    return agreement


class Crops(NamedTuple):
    """Pairs of a photograph and a crop of it.

    Attributes:
        kept: (N,) share of the photograph.
        right: (N,) whether the crop is likelier a copy of the photograph than the other way.
        norm_less: (N,) whether the crop's norm is less.
    """

    kept: NDArray[np.float64]
    right: NDArray[np.bool_]
    norm_less: NDArray[np.bool_]


def _crops(
    encoder: Encoder,
    wholes: Sequence[Image.Image],
    references: Embedded,
    editor: Editor,
    seed: int,
    verification: CopyVerification,
) -> Crops:
    edited = []
    for row, whole in enumerate(wholes):
        rng = np.random.default_rng((seed, row, 99))
        edited.append(
            editor.copy(Source(whole), float(rng.uniform(*STRENGTHS)), rng, kinds=("crop",))
        )
    cropped = _embedded(encoder, [edit.picture for edit in edited], "crops")
    kept = np.array([edit.kept for edit in edited])
    norms = references.norms[: len(wholes)]
    laid = [align(*pair) for pair in zip(cropped.features, references.features, strict=False)]
    less = verified_missing(cropped.norms, norms, laid, verification)
    return Crops(kept, less > 0, missing_content(cropped.norms, norms) > 0)


def _report(
    scores: Mapping[str, Floats],
    queries: Queries,
    crops: Crops,
    verification: CopyVerification,
    distractors: int,
    split: str,
) -> Report:
    precisions = {name: micro_average_precision(s, queries) for name, s in scores.items()}
    ours = precisions["ours"]
    hard = int((~queries.copies).sum())
    baselines = [p for name, p in precisions.items() if not name.startswith("ours")]
    best_rank = {name: _first(s, queries) for name, s in scores.items()}
    accused, found = _at_threshold(scores["ours"], queries, verification.threshold)
    return Report(
        name="edited_copy",
        title="Edited copies among references",
        method=f"{len(queries.copies):,} edited photographs of the split {split}, {hard:,} of them "
        "hard negatives: edited pictures of garments whose own photograph is taken away from the "
        f"references, while a most like one stays. {len(crops.kept)} references of that split and "
        f"{distractors:,} distractors, photographs of the other splits (the network was trained on "
        "those of train). Pages and grounds behind copies show photographs that are no reference. "
        "Edits are of the kinds that were trained with, drawn anew. Ours lays each query on the "
        f"{verification.nearest} references nearest in the space `design`.",
        columns=("scored by", "micro AP", "copies whose source comes first"),
        rows=[(name, f"{precisions[name]:.3f}", f"{best_rank[name]:.1%}") for name in precisions],
        goals=[
            Goal("micro average precision", GOAL_AP, ours),
            Goal("ahead of the best of the others", GOAL_AHEAD, ours - max(baselines)),
            Goal("crops whose direction is right", GOAL_CROPS, float(crops.right.mean())),
        ],
        notes=[
            f"At the card's threshold: {found:.1%} of copies are said to be one of their source, "
            f"{accused:.1%} of hard negatives one of some reference "
            f"({hard:,} queries, {len(crops.kept) + distractors:,} references each).",
            *_by_share(crops),
            f"By the norms alone {crops.norm_less.mean():.1%} are right.",
            *_by_kind(scores["ours"], queries),
        ],
    )


def micro_average_precision(scores: Floats, queries: Queries) -> float:
    """Average precision of all (query, reference) pairs in one order.

    A hard negative is not compared with its own source. Ties count against the copy.
    """
    own = np.arange(scores.shape[1]) == queries.sources[:, None]
    there = ~(own & ~queries.copies[:, None])
    kept, relevant = scores[there], own[there]
    return average_precision(relevant[np.lexsort((relevant, -kept))])


def _first(scores: Floats, queries: Queries) -> float:
    copies = scores[queries.copies]
    return float(np.mean(copies.argmax(axis=1) == queries.sources[queries.copies]))


def _at_threshold(scores: Floats, queries: Queries, threshold: float) -> tuple[float, float]:
    """Share of hard negatives accused of any reference, and of copies told of their source."""
    own = np.arange(scores.shape[1]) == queries.sources[:, None]
    others = np.where(own, -1.0, scores)[~queries.copies].max(axis=1)
    of_source = scores[own][queries.copies]
    return float((others >= threshold).mean()), float((of_source >= threshold).mean())


def _by_share(crops: Crops) -> list[str]:
    edges = [(0.0, 0.5), (0.5, 0.75), (0.75, 1.0)]
    parts = [
        f"{right.mean():.1%} of {len(right)} that keep {low:.0%} to {high:.0%}"
        for low, high in edges
        if len(right := crops.right[(crops.kept > low) & (crops.kept <= high)])
    ]
    return [f"Crops whose direction is right: {', '.join(parts)}."]


def _by_kind(scores: Floats, queries: Queries) -> list[str]:
    """Of copies made with each edit, alone or with others, how often the source comes first."""
    first = scores.argmax(axis=1) == queries.sources
    parts = []
    for kind in KINDS:
        with_it = np.array([kind in kinds for kinds in queries.kinds]) & queries.copies
        if with_it.any():
            parts.append(f"{kind} {first[with_it].mean():.0%} of {with_it.sum()}")
    return [f"Source first, by edit (alone or among others): {', '.join(parts)}."]


def main() -> None:
    """Measure and show."""
    parser = argparse.ArgumentParser(prog="python -m bench.edited_copy", description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="CSV of labels with splits")
    parser.add_argument("--model", type=Path, default=SHIPPED_MODEL)
    parser.add_argument("--without-direction", type=Path, help="a model trained with --direction 0")
    parser.add_argument("--split", default="test")
    parser.add_argument("--markdown", type=Path, help="document whose section is replaced")
    asked = parser.parse_args()
    found = measure(
        asked.data, asked.model, without_direction=asked.without_direction, split=asked.split
    )
    report.show(found, Console(width=160))
    if asked.markdown:
        report.write([found], asked.markdown, report.circumstances(quick=False))


if __name__ == "__main__":
    main()
