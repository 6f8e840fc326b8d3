"""A model measured as the papers do, on what `reading` has read.

Not our own measure: here a query with nothing to find scores 0 instead of being left out, the
query list is ranked against the candidate list, and nothing is known of photographers. A value
that the model never learnt to name is searched like any other.
"""

from collections.abc import Mapping, Sequence
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from api_schemas.card import Frozen, Probability
from model.metrics import average_precision
from model.protocols.reading import Task
from model.protocols.tasks import (
    ATTRIBUTE,
    PICTURE,
    VALUE,
    Protocol,
    ProtocolError,
    RetrievalTask,
    Rows,
    TripletTask,
)

Vectors = NDArray[np.float32]

QUERIES_AT_ONCE: Final = 256
"""Rows of the similarity matrix held at a time: the whole one takes gigabytes on DeepFashion."""


class Figure(Frozen):
    """One attribute's figure."""

    attribute: str = Field(description="the protocol's name")
    model_attribute: str = Field(description="the model's name of it")
    figure: Probability
    count: int = Field(description="queries or triplets")
    nothing_to_find: int = Field(description="queries without a relevant candidate: they score 0")


class ProtocolQuality(Frozen):
    """The papers' table."""

    protocol: Protocol
    split: str
    images: int = Field(description="pictures embedded")
    measure: Literal["MAP", "triplet accuracy"]
    overall: Probability = Field(description="weighted by queries or triplets, as published")
    mean: Probability = Field(description="unweighted mean over attributes")
    figures: tuple[Figure, ...]
    not_measured: tuple[str, ...] = Field(description="attributes of the protocol left out")


def match_attributes(
    protocol: Sequence[str], model: Sequence[str], renamed: Mapping[str, str]
) -> dict[str, str]:
    """Say which of the model's attributes stands for which of the protocol's.

    Args:
        protocol: the protocol's names.
        model: the model's names.
        renamed: protocol's name -> model's name, where they differ; one of the model's may stand
            for several of the protocol's.

    Returns:
        Protocol's name -> model's name, in the protocol's order, without those that do not match.

    Raises:
        ProtocolError: a name in ``renamed`` is unknown, or nothing matches.
    """
    for name, own in renamed.items():
        _require_known(name, protocol, "protocol")
        _require_known(own, model, "model")
    pairs = {name: renamed.get(name, name) for name in protocol}
    matched = {name: own for name, own in pairs.items() if own in model}
    if not matched:
        raise ProtocolError(
            f"no attribute of the protocol ({_list(protocol)}) is one of the model's "
            f"({_list(model)}); say which is which, as in {protocol[0]}={model[0]}"
        )
    return matched


def _require_known(name: str, known: Sequence[str], whose: str) -> None:
    if name not in known:
        raise ProtocolError(f"the {whose} has no attribute {name!r}; it has: {_list(known)}")


def measure(
    task: Task, vectors: Vectors, model_attributes: Sequence[str], matched: Mapping[str, str]
) -> ProtocolQuality:
    """Measure what the model and the protocol share.

    Args:
        task: what is asked.
        vectors: (N, A, D) float32 of the task's files, unit length.
        model_attributes: (A,) names.
        matched: as `match_attributes` gives.

    Raises:
        ProtocolError: the split asks nothing of the attributes that match.
    """
    figures = [
        _figure(task, task.attributes.index(name), vectors[:, model_attributes.index(own)], own)
        for name, own in matched.items()
    ]
    measured = tuple(figure for figure in figures if figure.count)
    if not measured:
        raise ProtocolError(f"the {task.split} split asks nothing of {_list(list(matched))}")
    scores = np.array([figure.figure for figure in measured])
    counts = np.array([figure.count for figure in measured])
    names = {figure.attribute for figure in measured}
    return ProtocolQuality(
        protocol=task.protocol,
        split=task.split,
        images=len(task.files),
        measure="MAP" if isinstance(task, RetrievalTask) else "triplet accuracy",
        overall=float((scores * counts).sum() / counts.sum()),
        mean=float(scores.mean()),
        figures=measured,
        not_measured=tuple(name for name in task.attributes if name not in names),
    )


def query_precisions(
    space: Vectors, queries: Rows, candidates: Rows, *, leave_out_own: bool = False
) -> tuple[NDArray[np.float64], int]:
    """Average precision of each query over the whole ranking of its candidates.

    AP divides by the number of relevant candidates and is 0 where there are none. Ties are ranked
    in the order of the list.

    Args:
        space: (N, D) float32, unit length.
        queries: int64 (Q, 3): row in ``space``, attribute, value.
        candidates: int64 (K, 3), likewise.
        leave_out_own: candidates of the query's own row do not count.

    Returns:
        (Q,) precisions, and how many queries have no relevant candidate.
    """
    precisions = np.zeros(len(queries))
    without = 0
    # A picture that is listed twice is a tie: rounding may differ between equal rows of a product.
    pictures, place = np.unique(candidates[:, PICTURE], return_inverse=True)
    among = space[pictures]
    for start in range(0, len(queries), QUERIES_AT_ONCE):
        block = queries[start : start + QUERIES_AT_ONCE]
        similarities = (space[block[:, PICTURE]] @ among.T)[:, place]
        for offset, query in enumerate(block):
            order = np.argsort(-similarities[offset], kind="stable")
            ranked = candidates[order]
            if leave_out_own:
                ranked = ranked[ranked[:, PICTURE] != query[PICTURE]]
            relevant = ranked[:, VALUE] == query[VALUE]
            without += not relevant.any()
            precisions[start + offset] = average_precision(relevant)
    return precisions, without


def triplets_right(space: Vectors, triplets: Rows) -> NDArray[np.bool_]:
    """Whether the nearer picture of each triplet is nearer; a tie is wrong.

    Args:
        space: (N, D) float32, unit length.
        triplets: int64 (T, 3): rows of the anchor, the farther and the nearer picture.

    Returns:
        (T,) bool.
    """
    anchor, farther, nearer = (space[rows] for rows in triplets.T)
    right: NDArray[np.bool_] = (anchor * nearer).sum(axis=1) > (anchor * farther).sum(axis=1)
    return right


def _figure(task: Task, number: int, space: Vectors, own: str) -> Figure:
    if isinstance(task, TripletTask):
        triplets = task.triplets[task.triplets[:, 0] == number, 1:]
        scores, without = triplets_right(space, triplets).astype(np.float64), 0
    else:
        queries, candidates = (
            rows[rows[:, ATTRIBUTE] == number] for rows in (task.queries, task.candidates)
        )
        scores, without = query_precisions(
            space, queries, candidates, leave_out_own=task.leave_out_own
        )
    return Figure(
        attribute=task.attributes[number],
        model_attribute=own,
        figure=float(scores.mean()) if len(scores) else 0.0,
        count=len(scores),
        nothing_to_find=without,
    )


def _list(names: Sequence[str]) -> str:
    return ", ".join(names)
