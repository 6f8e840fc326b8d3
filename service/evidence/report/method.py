"""The method in plain words, and its limits: what a reader must know before relying on it."""

from api_schemas.evidence import Background, EvidenceDocument
from service.evidence.report.figures import percent, shown
from service.evidence.report.wording import many_looks


def how(document: EvidenceDocument) -> tuple[str, ...]:
    """How the figures came about."""
    return (
        "A neural network turns each picture into one vector for each attribute, and into a map of "
        "where it looked. Similarity is the cosine of two vectors: 1 where they point the same "
        "way, -1 where they point opposite ways.",
        "An attribute counts as visible from a probability of 50 % on. One that cannot be seen in "
        "both pictures is excluded: it speaks neither for nor against.",
        f"Chance levels were counted on {document.background.chance_pairs:,} pairs of unrelated "
        "garments, photographed by different people: how many of them are at least as alike in "
        "this attribute.",
        "The ratio compares how often this similarity occurs between garments with the same value "
        "and between garments with different values of the attribute.",
        "Attributes go together, as a shirt collar and a button front do. A model fitted on pairs "
        "therefore weighs their ratios together, instead of multiplying them as if each were news.",
        _calibration(document.background),
    )


def _calibration(background: Background) -> str:
    if background.calibration_error is None:
        return (
            "The weights of this policy are its own. The combined probability was not calibrated "
            "with them: read it as a score, by the rate of false accusations."
        )
    return (
        "The combined probability is calibrated where related and unrelated pairs are equally "
        "many: what it promises and what came true differ by "
        f"{percent(background.calibration_error)} on average, measured on "
        f"{shown(background.measured_on)}."
    )


def limits(document: EvidenceDocument) -> tuple[str, ...]:
    """What the figures do not say."""
    return (
        "Pictures were compared, not garments. Cloth, cut, stitching, labels and whatever the "
        "pictures do not show had no part in it.",
        "Fashion repeats itself: alike is not copied. Chance levels tell how common a likeness is "
        "among the garments measured; in another season, market or kind of garment it may be more "
        "common.",
        many_looks(document),
        "Error rates hold for pictures like those measured. Unusual light, poses, backgrounds, "
        "several garments in one picture or a garment seen from behind lead to more errors.",
        "The network was trained on labelled photographs and errs in values too. Each value is "
        "given with its probability; the outlined areas show what it rests on.",
        "Not alike does not mean not copied: the share of copies that the policy misses is part of "
        "the verdict.",
        "Which design came first, who knew of which, and what the law makes of it are not for this "
        "report.",
    )
