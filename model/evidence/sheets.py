"""The figures of `model.evidence.quality` as tables."""

from collections.abc import Sequence

from model.evidence.quality import RATES, EvidenceQuality
from model.sheet import Sheet, figure

_AT = tuple(f"{100 * rate:g} %" for rate in RATES)


def evidence_sheets(quality: EvidenceQuality) -> tuple[Sheet, ...]:
    """Of all attributes together, of each alone, and how far probabilities are to be trusted."""
    return _together(quality), _alone(quality), _calibration(quality)


def _together(quality: EvidenceQuality) -> Sheet:
    return Sheet(
        "share of pairs called alike by all attributes together, where that share of the unrelated "
        "is; product: likelihood ratios multiplied as if independent; policy: the card's own, "
        f"with its 95 % interval ({quality.split} split)",
        (
            "pairs",
            "right",
            "number",
            *(f"at {rate}" for rate in _AT),
            *(f"product, at {rate}" for rate in _AT),
            "policy",
            "from",
            "to",
        ),
        tuple(
            (
                name,
                "alike" if kind.related else "not",
                str(kind.pairs),
                *_figures([*kind.combined, *kind.product, kind.policy, *kind.policy_interval]),
            )
            for name, kind in quality.kinds.items()
        ),
    )


def _alone(quality: EvidenceQuality) -> Sheet:
    return Sheet(
        "one attribute alone, over pairs that show it in both: share of unrelated pairs at that "
        "chance level or below, of copies and variants found at that rate of false accusations, "
        "and ECE of the likelihood ratio",
        (
            "attribute",
            "unrelated",
            *(f"chance {rate}" for rate in _AT),
            *(f"copies at {rate}" for rate in _AT),
            *(f"variants at {rate}" for rate in _AT),
            "ECE",
        ),
        tuple(
            (
                name,
                str(trial.unrelated),
                *_figures([*trial.beyond, *trial.copies, *trial.variants, trial.calibration_error]),
            )
            for name, trial in quality.attributes.items()
        ),
    )


def _calibration(quality: EvidenceQuality) -> Sheet:
    return Sheet(
        "calibration error (ECE) of the combined probability at even odds, and of the product of "
        "the likelihood ratios",
        ("pairs", "combined", "product"),
        tuple(
            (name, figure(errors.combined), figure(errors.product))
            for name, errors in quality.calibration.items()
        ),
    )


def _figures(values: Sequence[float]) -> list[str]:
    # Rates of a thousandth need a digit more than shares elsewhere.
    return [f"{value:.4f}" if value < 0.01 else figure(value) for value in values]
