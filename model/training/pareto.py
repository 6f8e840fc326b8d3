"""What quality costs: the designs that were compared, and model files, as one picture.

``python -m model.training.pareto --rivals runs/rivals/table.json --models my.onnx`` draws mean
cross-photographer MAP against milliseconds per image. A model file's quality is what its card says
of the same split and attributes; its time is taken here. The rivals' times are those of the table,
and another machine's or hour's do not compare: ``--retime`` takes them anew, in turns with the
models', from the files that lie beside the table.
"""

import argparse
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Final

import numpy as np
from pydantic import TypeAdapter, ValidationError

from api_schemas.card import ModelCard, Quality
from model.encoder import Encoder
from model.report.tradeoff import Candidate, picture
from model.training.cost import milliseconds_per_image
from model.training.rivals import Outcome

COST: Final = "CPU milliseconds per image, one thread"
QUALITY: Final = "mean cross-photographer MAP"


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure what is to be measured, and write the picture."""
    parser = _parser()
    options = parser.parse_args(arguments)
    try:
        outcomes = read_outcomes(options.rivals)
        _distinct([*(each.design for each in outcomes), *(file.name for file in options.models)])
        models = {file.name: file for file in options.models}
        again = _beside(options.rivals, outcomes) if options.retime else {}
        candidates = candidates_of(outcomes, models, again)
        text = picture(
            candidates,
            title="Quality and its cost",
            cost=COST,
            quality=QUALITY,
            notes=_notes(outcomes, models),
        )
        options.out.parent.mkdir(parents=True, exist_ok=True)
        options.out.write_text(text, encoding="utf-8")
    except (ValueError, OSError) as exc:
        parser.exit(1, f"pareto: {exc}\n")
    for each in candidates:
        print(f"{each.name}: {each.quality:.3f} in {each.cost:.2f} ms")
    print(options.out)


def read_outcomes(table: Path) -> tuple[Outcome, ...]:
    """Read the ``table.json`` of `model.training.rivals`.

    Raises:
        ValueError: it is no such table, or an empty one.
        OSError: it cannot be read.
    """
    try:
        outcomes = TypeAdapter(tuple[Outcome, ...]).validate_json(table.read_bytes())
    except ValidationError as exc:
        first = exc.errors()[0]
        where = ".".join(map(str, first["loc"])) or "the whole"
        raise ValueError(
            f"{table} is no table of model.training.rivals: {where}: {first['msg']}"
        ) from exc
    if not outcomes or not all(outcome.qualities for outcome in outcomes):
        raise ValueError(f"{table} has no design, or one without a run")
    return outcomes


def candidates_of(
    outcomes: Sequence[Outcome], models: Mapping[str, Path], again: Mapping[str, Path]
) -> list[Candidate]:
    """The designs compared, then the model files.

    Args:
        outcomes: as read.
        models: files by name; each card tells of the outcomes' split.
        again: designs whose time is taken anew, from these files.

    Raises:
        ValueError: a file is no model, or its card's figures do not compare with the outcomes'.
    """
    encoders = {name: Encoder.load(file, threads=1) for name, file in {**again, **models}.items()}
    like = outcomes[0].qualities[0]
    own = {name: _comparable(encoders[name].card, models[name], like) for name in models}
    spent = milliseconds_per_image(encoders) if encoders else {}
    compared = [
        _candidate(outcome, spent.get(outcome.design, outcome.cost.milliseconds))
        for outcome in outcomes
    ]
    return [
        *compared,
        *(Candidate(name, spent[name], quality, own=True) for name, quality in own.items()),
    ]


def _candidate(outcome: Outcome, milliseconds: float) -> Candidate:
    """Mean over the seeds, with their standard deviation (of the sample, n - 1)."""
    figures = [quality.mean_map_other_photographers for quality in outcome.qualities]
    return Candidate(
        outcome.design,
        milliseconds,
        float(np.mean(figures)),
        float(np.std(figures, ddof=1)) if len(figures) > 1 else None,
    )


def _comparable(card: ModelCard, file: Path, like: Quality) -> float:
    """A card's mean MAP on the same images, over the same attributes."""
    found = next((quality for quality in card.quality if quality.split == like.split), None)
    if found is None:
        splits = ", ".join(quality.split for quality in card.quality) or "none"
        raise ValueError(f"{file} was not measured on split {like.split!r}; it has {splits}")
    if found.images != like.images:
        raise ValueError(
            f"{file} was measured on {found.images} images of {like.split!r}, "
            f"the rivals on {like.images}"
        )
    if lacking := [name for name in like.attributes if name not in found.attributes]:
        raise ValueError(f"{file} was not measured for {', '.join(lacking)}, as the rivals were")
    maps = [found.attributes[n].retrieval.map_other_photographers for n in like.attributes]
    return float(np.mean(maps))


def _beside(table: Path, outcomes: Sequence[Outcome]) -> dict[str, Path]:
    """The rivals' model files, the first seed's of each."""
    files = {}
    for outcome in outcomes:
        found = sorted(table.parent.glob(f"{outcome.design}/seed-*.onnx"))
        if not found:
            raise ValueError(
                f"--retime needs the rivals' files: no seed-*.onnx in "
                f"{table.parent / outcome.design}"
            )
        files[outcome.design] = found[0]
    return files


def _distinct(names: Collection[str]) -> None:
    twice = sorted({name for name in names if list(names).count(name) > 1})
    if twice:
        raise ValueError(f"each needs a name of its own; more than one is {', '.join(twice)}")


def _notes(outcomes: Sequence[Outcome], models: Collection[str]) -> list[str]:
    quality = outcomes[0].qualities[0]
    seeds = {len(outcome.qualities) for outcome in outcomes}
    runs = " or ".join(str(count) for count in sorted(seeds))
    spread = f"; bars: ± standard deviation over {runs} seeds" if max(seeds) > 1 else "; one seed"
    return [
        f"{quality.split} split, {quality.images} images, "
        f"{len(quality.attributes)} attributes{spread}.",
        "Line and filled marks: nothing shown here is as fast and better.",
        *(["Discs: designs trained alike. Diamonds: model files."] if models else []),
    ]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m model.training.pareto",
        description="Draw what quality costs, as one SVG file: the designs that "
        "model.training.rivals compared, and model files.",
    )
    add = parser.add_argument
    add("--rivals", type=Path, required=True, help="table.json of model.training.rivals")
    add("--models", type=Path, nargs="*", default=[], help="model files")
    add("--retime", action="store_true", help="take the rivals' times anew, in turns with --models")
    add("--out", type=Path, default=Path("docs/pareto.svg"), help="default %(default)s")
    return parser


if __name__ == "__main__":
    main()
