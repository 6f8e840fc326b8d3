"""Measured quality as tables: for a terminal, and as Markdown for a document."""

from collections.abc import Sequence
from statistics import fmean

from rich.box import SIMPLE_HEAD
from rich.table import Table

from api_schemas.card import AttributeQuality, Quality, RetrievalQuality, SamePhotographerShare
from model.sheet import Sheet, figure


def quality_tables(quality: Quality) -> list[Table]:
    """For a terminal."""
    return [terminal_table(sheet) for sheet in sheets(quality)]


def quality_markdown(quality: Quality) -> str:
    """For a document."""
    return "\n\n".join(markdown_table(sheet) for sheet in sheets(quality))


def sheets(quality: Quality) -> tuple[Sheet, ...]:
    """How well garments are found, by whom the found are, and how well values are named."""
    measured = quality.attributes.items()
    retrieval = Sheet(
        f"finding the same value among photographs by others "
        f"({quality.split} split, {quality.images} images)",
        (
            *("attribute", "MAP", "random", "global", "R@1", "R@5", "R@10", "MAP all"),
            *("queries", "left out"),
        ),
        (
            *((name, *_retrieval(figures)) for name, figures in measured),
            *_means(quality),
        ),
    )
    values = Sheet(
        f"naming the value ({quality.split} split)",
        (
            *("attribute", "accuracy", "commonest", "balanced", "ECE", "same-value ECE"),
            *("visible", "visible AUC"),
        ),
        tuple((name, *_values(figures)) for name, figures in measured),
    )
    return retrieval, *_own_hits(quality), values


def _retrieval(measured: AttributeQuality) -> tuple[str, ...]:
    own = measured.retrieval
    return (
        figure(own.map_other_photographers),
        figure(measured.retrieval_random_order.map_other_photographers),
        figure(measured.retrieval_global_embedding.map_other_photographers),
        figure(own.recall_at_1),
        figure(own.recall_at_5),
        figure(own.recall_at_10),
        figure(own.map_all),
        str(measured.queries),
        str(measured.queries_without_relevant),
    )


def _means(quality: Quality) -> list[tuple[str, ...]]:
    """The two means, of the model and of the reference lines alike."""
    every = list(quality.attributes.values())
    queries = [each.queries for each in every]
    counts = (str(sum(queries)), str(sum(each.queries_without_relevant for each in every)))
    rows = []
    for name, own, weights in (
        ("mean", quality.mean_map_other_photographers, [1] * len(every)),
        ("weighted mean", quality.weighted_map_other_photographers, queries),
    ):
        random = _weighted([each.retrieval_random_order for each in every], weights)
        general = _weighted([each.retrieval_global_embedding for each in every], weights)
        rows.append((name, *map(figure, (own, random, general)), *[""] * 4, *counts))
    return rows


def _weighted(measured: Sequence[RetrievalQuality], weights: Sequence[int]) -> float:
    total = sum(w * m.map_other_photographers for w, m in zip(weights, measured, strict=True))
    return total / max(1, sum(weights))


def _values(measured: AttributeQuality) -> tuple[str, ...]:
    return (
        figure(measured.value_accuracy),
        figure(measured.majority_accuracy),
        figure(measured.value_balanced_accuracy),
        figure(measured.value_calibration_error),
        figure(measured.same_value_calibration_error),
        figure(measured.visible_accuracy),
        figure(measured.visible_roc_auc),
    )


def _own_hits(quality: Quality) -> tuple[Sheet, ...]:
    """One table, or none for files that were written before this was measured."""
    measured = quality.attributes.items()
    shares = {name: each.same_photographer for name, each in measured if each.same_photographer}
    if not shares:
        return ()
    perfect = [times for times in map(_perfect, shares.values()) if times is not None]
    means = (quality.mean_same_photographer_times_chance, fmean(perfect) if perfect else None)
    sheet = Sheet(
        f"the query's own photographer among its first 8 hits of all ({quality.split} split)",
        ("attribute", "share", "by chance", "perfect order", "times chance", "perfect, times"),
        (
            *((name, *_shares(own)) for name, own in shares.items()),
            ("mean", "", "", "", *map(_short, means)),
        ),
    )
    return (sheet,)


def _shares(own: SamePhotographerShare) -> tuple[str, ...]:
    """A perfect order is above chance too: photographers like certain garments."""
    shares = map(figure, (own.found, own.by_chance, own.in_perfect_order))
    return (*shares, _short(own.times_chance), _short(_perfect(own)))


def _perfect(own: SamePhotographerShare) -> float | None:
    """How many times chance a perfect order has; None where nobody has two pictures."""
    return own.in_perfect_order / own.by_chance if own.by_chance else None


def _short(times: float | None) -> str:
    return "" if times is None else f"{times:.2f}"


def terminal_table(sheet: Sheet) -> Table:
    """One table for a terminal."""
    # Tight enough for ten columns in a terminal of 80.
    table = Table(
        title=f"\n{sheet.title}", title_justify="left", box=SIMPLE_HEAD, padding=0, pad_edge=False
    )
    table.add_column(sheet.columns[0], no_wrap=True)
    for column in sheet.columns[1:]:
        table.add_column(column, justify="right")
    for row in sheet.rows:
        table.add_row(*row)
    return table


def markdown_table(sheet: Sheet) -> str:
    """One table for a document."""
    lines: list[Sequence[str]] = [
        sheet.columns,
        ["---", *["---:"] * (len(sheet.columns) - 1)],
        *sheet.rows,
    ]
    body = "\n".join("| " + " | ".join(line) + " |" for line in lines)
    return f"{sheet.title[0].upper()}{sheet.title[1:]}:\n\n{body}"
