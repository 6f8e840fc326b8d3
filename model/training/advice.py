"""What ``lapel train`` makes of a stranger's table, and what it says of it before hours are spent.

`training_table` decides what is learnt from which rows, and refuses what cannot be learnt;
`foretold` says what training will make of it. Nothing is left out or divided without a sentence.
A table without splits is divided by a hash of file names relative to its folder: the same table
is always divided alike, wherever its folder lies and whatever the seed, so that runs compare.
"""

import hashlib
import os
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import numpy as np
import torch

from model.labels import GROUP_COLUMN, NOT_VISIBLE, LabelTable, LabelTableError, read_labels
from model.protocols.label_rows import write_labels
from model.training.beyond_labels import BeyondLabels
from model.training.config import TrainConfig
from model.training.data import epoch_batches, learnt_values

SPLITS: Final = ("train", "valid", "test")
HELD_OUT_SHARE: Final = 0.1  # of the rows, for valid and again for test
TRAIN_SHARE: Final = 0.6  # the least; large photographers could eat up more
MANY_VALUES: Final = 20  # codes of values may be numbers; this many are rather a price or a stock
FEW_PHOTOGRAPHS: Final = 1500
FEW_STEPS: Final = 2000
SMALL_TABLE: Final = {"backbone": "compact16", "input_size": 96, "batch_size": 16, "epochs": 80}
"""On 600 drawings: collar MAP 0.84, sleeve length 0.95."""
_NUMBER: Final = re.compile(r"\D{0,4}\d[\d.,]*\D{0,4}")  # also "€ 19,90" and "20 EUR"
_LIKE_NOT_VISIBLE: Final = ("na", "n/a", "n.a.", "nan", "null", "-", "?", "unknown")
_NAMED: Final = 8  # values or columns named in one line


@dataclass(frozen=True)
class TrainingTable:
    """A table ready to be trained on.

    Attributes:
        table: its rows all in a split, where it had none.
        remarks: sentences on what was decided for the user.
    """

    table: LabelTable
    remarks: tuple[str, ...]


def training_table(
    data: Path, attributes: Sequence[str], group_column: str, *, record: Path | None = None
) -> TrainingTable:
    """Read a table for training: choose its attributes, divide it, see that it can be learnt.

    Args:
        data: the CSV.
        attributes: columns to learn; empty for every column that looks like an attribute.
        group_column: who took the photograph; must be there unless it is the usual name.
        record: a table divided here is written to this CSV, with its splits.

    Raises:
        LabelTableError: the table cannot be read, no column looks like an attribute, a split is
            missing, an image file is missing, or there is nothing to learn or to validate.
    """
    table = read_labels(
        data,
        attributes=attributes or None,
        group_column=group_column,
        group_required=group_column != GROUP_COLUMN,
    )
    remarks = []
    if not attributes:
        table, said = _attributes_only(table, data)
        remarks.append(said)
    if not any(table.splits):
        table, said = divided(table, data.parent, group_column)
        if record:
            record.parent.mkdir(parents=True, exist_ok=True)
            write_labels(table, record)
            said += f"; which is where: {record} (also for lapel evaluate --data)"
        remarks.append(said)
    _check_splits(table, data)
    used = [row for row, split in enumerate(table.splits) if split in SPLITS]
    table.take(used).require_files()
    _check_values(table, data, group_column)
    return TrainingTable(table, tuple(remarks))


def divided(table: LabelTable, folder: Path, group_column: str) -> tuple[LabelTable, str]:
    """Put every row into train, valid or test: about 80, 10 and 10 %, one photographer in one.

    Photographers are kept together where there are enough of them for two in each of valid and
    test; otherwise, or without any, it is files that are kept together.

    Args:
        table: without splits.
        folder: the table's, against which its files are named.
        group_column: what to call photographers.

    Returns:
        The table with splits, and a sentence on how it was divided.

    Raises:
        LabelTableError: it has too few photographs.
    """
    base = folder.resolve()
    names = [os.path.relpath(file, base) for file in table.files]
    first = dict[int, str]()
    for group, name in zip(table.groups.tolist(), names, strict=True):
        first[group] = min(name, first.get(group, name))
    by_group = [first[group] for group in table.groups.tolist()]
    grouped = len(first) < len(set(names))
    split_of = _split_units(by_group) if grouped else None
    units, how = by_group, f"photographs of one {group_column} together"
    if split_of is None:
        split_of, units = _split_units(names), names
        how = (
            f"one by one, since {len(first)} values of {group_column} are too few or too unequal "
            "to be kept apart"
            if grouped
            else "one by one; --group-column keeps those of one photographer together"
        )
    if split_of is None:
        raise LabelTableError(
            f"{len(set(names))} photographs are too few to be divided; give a column 'split' "
            f"with {', '.join(SPLITS)}"
        )
    splits = tuple(split_of.get(unit, "train") for unit in units)
    said = f"No column 'split': divided into {_counts_of_splits(splits)}, {how}"
    return replace(table, splits=splits), said


def foretold(table: LabelTable, config: TrainConfig) -> Iterator[str]:
    """What training with this configuration will make of a table, line by line."""
    training, validation = table.split("train"), table.split("valid")
    others = Counter(split or "(empty)" for split in table.splits if split not in SPLITS)
    unused = f"; not used: {_named(others)}" if others else ""
    yield f"Photographs: {_counts_of_splits(table.splits)}{unused}"
    shared = np.intersect1d(training.groups, validation.groups)
    if len(shared):
        yield f"Photographers in both train and valid, which flatters validation: {len(shared)}"
    kept_from = config.min_value_count
    for attribute in table.attributes:
        line, rarest = _values_learnt(training, attribute, config.min_value_count)
        kept_from = min(kept_from, rarest)
        yield line
        yield from _look_alikes(training, attribute)
    if kept_from < config.min_value_count:
        yield f"To learn what is left out: --min-value-count {kept_from}"
    steps = _steps_per_epoch(len(training), config.batch_size)
    yield (
        f"{config.epochs} epochs of {steps} steps ({config.batch_size} photographs each) "
        f"are {config.epochs * steps} steps"
    )
    yield from _withheld(table.attributes, config.beyond_labels)
    yield from _for_small_tables(len(training), config.epochs * steps, config)


def _attributes_only(table: LabelTable, data: Path) -> tuple[LabelTable, str]:
    reasons = {name: _no_attribute(cells) for name, cells in table.cells.items()}
    cells = {name: table.cells[name] for name, reason in reasons.items() if not reason}
    left_out = ", ".join(f"{name} ({reason})" for name, reason in reasons.items() if reason)
    if not cells:
        raise LabelTableError(
            f"{data}: no column looks like an attribute: {left_out}; name some with --attributes"
        )
    but = f" but {left_out}" if left_out else ""
    example = ",".join([*cells][:2])
    said = f"Learning every column{but}; to choose: --attributes {example}"
    return replace(table, cells=cells), said


def _no_attribute(cells: Sequence[str]) -> str:
    """Why a column nobody named is not learnt; "" where it is."""
    counts = Counter(cell for cell in cells if cell not in ("", NOT_VISIBLE))
    if len(counts) < 2:
        return "empty" if not counts else "one value only"
    photographs_each = counts.total() / len(counts)
    many = len(counts) > MANY_VALUES
    if photographs_each < 2 or (many and photographs_each < 5):
        return "nearly all different"
    if all(_NUMBER.fullmatch(value) for value in counts):
        fractions = len(counts) > MANY_VALUES / 2 and any(re.search(r"\d[.,]\d", v) for v in counts)
        if fractions or (many and photographs_each < TrainConfig.min_value_count):
            return "numbers"
    return ""


def _split_units(units: Sequence[str]) -> dict[str, str] | None:
    """Units for valid and test in the order of a hash, large ones never; None if it cannot be."""
    rows = Counter(units)
    wanted = HELD_OUT_SHARE * len(units)
    hashed = sorted(rows, key=lambda unit: hashlib.sha256(unit.encode()).digest())
    left = iter([unit for unit in hashed if rows[unit] <= wanted])
    split_of = dict[str, str]()
    for split in ("valid", "test"):
        taken = list[str]()
        # Retrieval is judged among photographs by others, so each split needs two photographers.
        while sum(rows[unit] for unit in taken) < wanted or len(taken) < 2:
            unit = next(left, None)
            if unit is None:
                return None
            taken.append(unit)
        split_of |= dict.fromkeys(taken, split)
    held_out = sum(rows[unit] for unit in split_of)
    return split_of if held_out <= (1 - TRAIN_SHARE) * len(units) else None


def _check_splits(table: LabelTable, data: Path) -> None:
    lacking = [split for split in ("train", "valid") if split not in table.splits]
    if lacking:
        there = _named(Counter(split or "(empty)" for split in table.splits))
        raise LabelTableError(
            f"{data}: no row has split {' or '.join(map(repr, lacking))}; there are: {there}. "
            f"Write {', '.join(SPLITS)} (valid about a tenth, test if you like), all photographs "
            "of one photographer into the same; or remove the column to have the table divided"
        )


def _check_values(table: LabelTable, data: Path, group_column: str) -> None:
    training, validation = table.split("train"), table.split("valid")
    for attribute in table.attributes:
        if not training.values(attribute):
            raise LabelTableError(f"{data}: {attribute!r} has no value in split 'train'")
    if not any(_can_be_found(validation, attribute) for attribute in table.attributes):
        raise LabelTableError(
            f"{data}: nothing could be validated: split 'valid' has {len(validation)} photographs, "
            f"and no two of them share a value and differ in column {group_column!r}"
        )


def _can_be_found(table: LabelTable, attribute: str) -> bool:
    """Whether any value was photographed by two."""
    pairs = set(zip(table.cells[attribute], table.groups.tolist(), strict=True))
    photographers = Counter(cell for cell, _ in pairs if cell not in ("", NOT_VISIBLE))
    return max(photographers.values(), default=0) > 1


def _values_learnt(training: LabelTable, attribute: str, at_least: int) -> tuple[str, int]:
    """A line, and how many photographs the rarest value left out has (``at_least`` if none is)."""
    counts = Counter(training.cells[attribute])
    every = training.values(attribute)
    learnt = learnt_values(training, attribute, at_least=at_least)
    rare = {value: counts[value] for value in every if value not in learnt}
    number = f"{len(learnt)} values" if len(learnt) > 1 else "a single value, told from nothing"
    said = f"{attribute}: {number}: {_named({value: counts[value] for value in learnt})}"
    if not learnt or counts[learnt[0]] < at_least:
        said += f"; all kept, though none is in {at_least} photographs of train"
    if rare:
        said += f"; left out, in fewer than {at_least} photographs of train: {_named(rare)}"
    return said, min(rare.values(), default=at_least)


def _look_alikes(training: LabelTable, attribute: str) -> Iterator[str]:
    values = training.values(attribute)
    spellings = Counter(value.casefold() for value in values)
    twice = [value for value in values if spellings[value.casefold()] > 1]
    if twice:
        yield f"  {', '.join(twice[:_NAMED])} are different values here; one spelling is better"
    for value in values:
        if value.casefold() in _LIKE_NOT_VISIBLE:
            yield f"  {value!r} is a value here; 'na' says not visible, an empty cell not looked at"


def _withheld(attributes: Sequence[str], beyond: BeyondLabels) -> Iterator[str]:
    """Which labels changes of pictures cost; a wrong guess would teach wrong labels."""
    for share, option, names in (
        (beyond.recolour, "colour", beyond.told_by_colour),
        (beyond.stretch, "proportions", beyond.told_by_proportions),
    ):
        lost = [name for name in attributes if name in names]
        if share and lost:
            yield f"Told by {option}, so not learnt where that is changed: {', '.join(lost)}"
        elif share:
            yield f"No attribute is told by {option}; if one is, name it: --told-by-{option} NAME"


def _for_small_tables(photographs: int, steps: int, config: TrainConfig) -> Iterator[str]:
    """What to add on the command line; options that the user has set are left to them."""
    if photographs >= FEW_PHOTOGRAPHS or steps >= FEW_STEPS or config.start_from:
        return
    usual = TrainConfig()
    options = [
        f"--{name.replace('_', '-')} {value}"
        for name, value in SMALL_TABLE.items()
        if getattr(config, name) == getattr(usual, name)
    ]
    if options:
        yield "Few photographs, few steps: try smaller pictures and more, smaller steps."
        yield f"What learnt 600 drawings well: {' '.join(options)}"


def _steps_per_epoch(photographs: int, batch_size: int) -> int:
    return sum(1 for _ in epoch_batches(torch.arange(photographs), batch_size))


def _counts_of_splits(splits: Sequence[str]) -> str:
    counts = Counter(splits)
    return ", ".join(f"{counts[split]} {split}" for split in SPLITS if counts[split])


def _named(counts: Counter[str] | dict[str, int]) -> str:
    named = [f"{name} ({count})" for name, count in counts.items()]
    more = [f"and {len(named) - _NAMED} more"] if len(named) > _NAMED else []
    return ", ".join(named[:_NAMED] + more)
