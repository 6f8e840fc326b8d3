"""The exported file measured on a labelled split, through the encoder that serves.

Candidates are by other photographers than the query's: many people shoot all their garments on
one floor, and a network learns that first. Plain MAP over all other images stands beside it.
"""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from api_schemas.card import (
    AttributeCard,
    AttributeQuality,
    Quality,
    RetrievalQuality,
    SamePhotographerShare,
)
from model import pixels
from model.encoder import Embeddings, Encoder
from model.labels import LabelTable
from model.metrics import (
    ReliabilityBin,
    RetrievalScore,
    accuracy,
    balanced_accuracy,
    expected_calibration_error,
    own_group_share,
    reliability,
    retrieval_score,
    roc_auc,
)
from model.similarity import VISIBLE_THRESHOLD, same_value_probability, value_probabilities

Progress = Callable[[int], None]
"""Told how many images have been embedded since the last call."""
Reader = Callable[[Path], NDArray[np.uint8]]
"""From an image file to the network's input, (S, S, 3) uint8, RGB."""
Watch = Callable[[NDArray[np.uint8], Embeddings], None]
"""Shown a batch's pictures, (B, S, S, 3) uint8, and what the network says of them."""


@dataclass(frozen=True)
class EmbeddedTable:
    """A table's rows with what the model says of each.

    Attributes:
        table: the labels.
        vectors: (N, A, D) float32, attributes in the card's order.
        visible: (N, A) float32.
        global_vectors: (N, C) float32.
    """

    table: LabelTable
    vectors: NDArray[np.float32]
    visible: NDArray[np.float32]
    global_vectors: NDArray[np.float32]


def embed_table(
    encoder: Encoder,
    table: LabelTable,
    *,
    batch_size: int = 32,
    progress: Progress | None = None,
    read: Reader | None = None,
    watch: Watch | None = None,
) -> EmbeddedTable:
    """Embed every image of a table.

    Args:
        encoder: the model.
        table: the labels, with their files.
        batch_size: images per call of the network.
        progress: told how far it is.
        read: how a file becomes pixels; by default as it is served, `pixels.decode_file`.
        watch: shown every batch, in the order of the rows.

    Raises:
        UndecodableImage: naming the first file that cannot be read.
    """
    read = read or partial(pixels.decode_file, preprocessing=encoder.card.preprocessing)
    batches = []
    for batch in _read_batches(table.files, read, batch_size):
        batches.append(encoder.encode(batch))
        if watch:
            watch(batch, batches[-1])
        if progress:
            progress(len(batch))
    return EmbeddedTable(
        table=table,
        vectors=_joined(batches, "vectors"),
        visible=_joined(batches, "visible"),
        global_vectors=_joined(batches, "global_vector"),
    )


def evaluate(embedded: EmbeddedTable, attributes: tuple[AttributeCard, ...], split: str) -> Quality:
    """Measure the attributes that the model and the table share.

    Args:
        embedded: the split's images.
        attributes: the model's, in its order.
        split: name to report.

    Raises:
        ValueError: the model and the table share no attribute.
    """
    shared = shared_attributes(embedded.table, attributes)
    measured = {a.name: _attribute_quality(embedded, index, a) for index, a in shared}
    maps = np.array([m.retrieval.map_other_photographers for m in measured.values()])
    own = [m.same_photographer.times_chance for m in measured.values() if m.same_photographer]
    own_shares = [times for times in own if times is not None]
    queries = np.array([m.queries for m in measured.values()])
    return Quality(
        split=split,
        images=len(embedded.table),
        mean_map_other_photographers=float(maps.mean()),
        weighted_map_other_photographers=float((maps * queries).sum() / max(1, queries.sum())),
        mean_same_photographer_times_chance=float(np.mean(own_shares)) if own_shares else None,
        attributes=measured,
    )


def cross_photographer_map(space: NDArray[np.float32], table: LabelTable, name: str) -> float:
    """Mean average precision among images by other photographers: the main figure of `evaluate`.

    Judged on every value of the table, also those that a model never learnt to name.

    Args:
        space: (N, D), the rows' vectors in one attribute.
        table: their labels.
        name: the attribute.
    """
    values = table.value_indices(name, table.values(name))
    return retrieval_score(space @ space.T, values, table.groups).mean_average_precision


def shared_attributes(
    table: LabelTable, attributes: tuple[AttributeCard, ...]
) -> list[tuple[int, AttributeCard]]:
    """The model's attributes that the table has, with their place in the model's order.

    Raises:
        ValueError: there are none.
    """
    shared = [(index, a) for index, a in enumerate(attributes) if a.name in table.cells]
    if not shared:
        raise ValueError(
            f"the model knows {', '.join(a.name for a in attributes)}; "
            f"the table has {', '.join(table.attributes)}"
        )
    return shared


def value_reliability(
    embedded: EmbeddedTable, index: int, attribute: AttributeCard, *, bins: int = 15
) -> tuple[ReliabilityBin, ...]:
    """Reliability of the named value's probability, over the rows whose value the model can name.

    Args:
        embedded: the split's images.
        index: the attribute's place in the model's order.
        attribute: its card.
        bins: as in `model.metrics.reliability`.
    """
    return reliability(*named_values(embedded, index, attribute), bins=bins)


def same_value_reliability(
    embedded: EmbeddedTable, index: int, attribute: AttributeCard, *, bins: int = 15
) -> tuple[ReliabilityBin, ...]:
    """Reliability of the same-value probability, over pairs by different photographers."""
    pairs = labelled_pairs(embedded, index, attribute)
    stated = same_value_probability(pairs.similarities, attribute)
    return reliability(stated, pairs.same, bins=bins)


class NamedValues(NamedTuple):
    """Of the rows whose value the model can name, (N,) each.

    Attributes:
        probabilities: float32, of the value named.
        right: bool, whether it is the labelled one.
    """

    probabilities: NDArray[np.float32]
    right: NDArray[np.bool_]


def named_values(embedded: EmbeddedTable, index: int, attribute: AttributeCard) -> NamedValues:
    """What the model names, and whether that is right; index is the attribute's place."""
    actual = embedded.table.value_indices(attribute.name, attribute.values)
    kept = actual >= 0
    probabilities = value_probabilities(embedded.vectors[kept, index], attribute)
    return NamedValues(probabilities.max(axis=1), probabilities.argmax(axis=1) == actual[kept])


class LabelledPairs(NamedTuple):
    """Pairs of labelled images by different photographers, in one attribute, (P,) each.

    Attributes:
        left: int64, row of a pair's one image.
        right: int64, row of its other image.
        similarities: float32 cosines.
        same: bool, whether the values are the same.
    """

    left: NDArray[np.int64]
    right: NDArray[np.int64]
    similarities: NDArray[np.float32]
    same: NDArray[np.bool_]


def labelled_pairs(embedded: EmbeddedTable, index: int, attribute: AttributeCard) -> LabelledPairs:
    """Pairs with any value of the table, also one that the model never learnt to name.

    Args:
        embedded: the split's images.
        index: the attribute's place in the model's order.
        attribute: its card.
    """
    table, space = embedded.table, embedded.vectors[:, index]
    values = table.value_indices(attribute.name, table.values(attribute.name))
    left, right = cross_group_pairs(values, table.groups)
    return LabelledPairs(left, right, (space @ space.T)[left, right], values[left] == values[right])


def cross_group_pairs(
    values: NDArray[np.int64], groups: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Row indices (P,) and (P,) of all pairs of labelled images by different photographers."""
    left, right = np.triu_indices(len(values), k=1)
    kept = (values[left] >= 0) & (values[right] >= 0) & (groups[left] != groups[right])
    return left[kept], right[kept]


def _attribute_quality(
    embedded: EmbeddedTable, index: int, attribute: AttributeCard
) -> AttributeQuality:
    table, space = embedded.table, embedded.vectors[:, index]
    # Retrieval is judged on every value of the table, also those the model never learnt to name.
    values = table.value_indices(attribute.name, table.values(attribute.name))
    similarities = space @ space.T
    global_similarities = embedded.global_vectors @ embedded.global_vectors.T
    retrieval, score = _retrieval(similarities, values, table.groups)
    named = table.value_indices(attribute.name, attribute.values)
    predicted = value_probabilities(space[named >= 0], attribute).argmax(axis=1)
    actual = named[named >= 0]
    own = own_group_share(similarities, values, table.groups)
    pairs = labelled_pairs(embedded, index, attribute)
    return AttributeQuality(
        retrieval=retrieval,
        retrieval_random_order=_random_order(values, table.groups),
        retrieval_global_embedding=_retrieval(global_similarities, values, table.groups)[0],
        queries=score.queries,
        queries_without_relevant=score.queries_without_relevant,
        value_accuracy=accuracy(predicted, actual),
        value_balanced_accuracy=balanced_accuracy(predicted, actual),
        majority_accuracy=float(np.bincount(actual).max() / len(actual)) if len(actual) else 0.0,
        value_calibration_error=expected_calibration_error(
            *named_values(embedded, index, attribute)
        ),
        same_value_calibration_error=expected_calibration_error(
            same_value_probability(pairs.similarities, attribute), pairs.same
        ),
        visible_accuracy=_visible_accuracy(
            embedded.visible[:, index], table.visible(attribute.name)
        ),
        visible_roc_auc=_visible_roc_auc(embedded.visible[:, index], table.visible(attribute.name)),
        same_photographer=SamePhotographerShare(
            found=own.found,
            by_chance=own.by_chance,
            in_perfect_order=own.in_perfect_order,
            times_chance=own.times_chance,
        ),
    )


def _retrieval(
    similarities: NDArray[np.float32], values: NDArray[np.int64], groups: NDArray[np.int64]
) -> tuple[RetrievalQuality, RetrievalScore]:
    score = retrieval_score(similarities, values, groups)
    quality = RetrievalQuality(
        map_other_photographers=score.mean_average_precision,
        map_all=retrieval_score(similarities, values).mean_average_precision,
        recall_at_1=score.recall_at[1],
        recall_at_5=score.recall_at[5],
        recall_at_10=score.recall_at[10],
    )
    return quality, score


def _random_order(
    values: NDArray[np.int64], groups: NDArray[np.int64], *, rounds: int = 5
) -> RetrievalQuality:
    rng = np.random.default_rng(0)
    orders = [
        _retrieval(rng.random((len(values), len(values)), dtype=np.float32), values, groups)[0]
        for _ in range(rounds)
    ]
    fields = RetrievalQuality.model_fields
    return RetrievalQuality(
        **{name: float(np.mean([getattr(order, name) for order in orders])) for name in fields}
    )


def _visible_accuracy(predicted: NDArray[np.float32], actual: NDArray[np.float32]) -> float | None:
    labelled = np.isfinite(actual)
    if len(np.unique(actual[labelled])) < 2:
        return None
    return float(np.mean((predicted >= VISIBLE_THRESHOLD)[labelled] == (actual[labelled] == 1)))


def _visible_roc_auc(predicted: NDArray[np.float32], actual: NDArray[np.float32]) -> float | None:
    labelled = np.isfinite(actual)
    return roc_auc(predicted[labelled], actual[labelled] == 1)


def _read_batches(
    files: tuple[Path, ...], read: Reader, batch_size: int
) -> Iterator[NDArray[np.uint8]]:
    with ThreadPoolExecutor() as pool:
        for start in range(0, len(files), batch_size):
            yield np.stack(list(pool.map(read, files[start : start + batch_size])))


def _joined(batches: list[Embeddings], name: str) -> NDArray[np.float32]:
    return np.concatenate([getattr(batch, name) for batch in batches])
