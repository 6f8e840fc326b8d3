"""What evidence finds at which rate of false accusations, as one picture.

``python -m model.evidence.roc my.onnx --data labels.csv --out docs/evidence-roc.svg`` measures as
``lapel evaluate --also evidence`` does, and draws the curve behind its table.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

from model.encoder import Encoder
from model.evaluate import embed_table
from model.evidence.pairs import DRAWN_COUNT
from model.evidence.quality import BY_CHANCE, UNRELATED, EvidenceQuality, measure_evidence
from model.labels import read_labels
from model.report.roc import Curve, picture


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, and write the picture."""
    parser = _parser()
    options = parser.parse_args(arguments)
    try:
        encoder = Encoder.load(options.model)
        embedded = embed_table(encoder, read_labels(options.data).split(options.split))
        text = evidence_picture(measure_evidence(encoder, embedded, drawn=options.drawn))
        options.out.parent.mkdir(parents=True, exist_ok=True)
        options.out.write_text(text, encoding="utf-8")
    except (ValueError, OSError) as exc:
        parser.exit(1, f"evidence_roc: {exc}\n")
    print(options.out)


def evidence_picture(quality: EvidenceQuality) -> str:
    """The SVG file's text: each kind of related pair, and pairs that are the same by chance."""
    kinds = [name for name, kind in quality.kinds.items() if kind.related]
    shown = [*kinds, *(name for name in (BY_CHANCE,) if name in quality.kinds)]
    accused = quality.kinds[UNRELATED].policy
    return picture(
        quality.scores[UNRELATED],
        [
            Curve(_called(name), quality.scores[name], (accused, quality.kinds[name].policy))
            for name in shown
        ],
        title="Attributes as evidence, all together",
        notes=[
            f"{quality.split} split, {quality.kinds[UNRELATED].pairs} unrelated pairs. "
            "Marks: the card's own policy.",
        ],
    )


def _called(name: str) -> str:
    return "same values by chance, nobody copied" if name == BY_CHANCE else name


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m model.evidence.roc",
        description="Draw how many copies and variants are found at which rate of false "
        "accusations, as one SVG file.",
    )
    add = parser.add_argument
    add("model", type=Path, help="model file with evidence figures")
    add("--data", type=Path, required=True, help="CSV of labels")
    add("--split", default="test", help="default %(default)s")
    add("--drawn", type=int, default=DRAWN_COUNT, help="garments drawn, default %(default)s")
    add("--out", type=Path, default=Path("docs/evidence-roc.svg"), help="default %(default)s")
    return parser


if __name__ == "__main__":
    main()
