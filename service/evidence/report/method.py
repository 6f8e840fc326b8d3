"""The method in plain words, and its limits: what a reader must know before relying on it."""

from api_schemas.evidence import Background, EditedCopy, EvidenceDocument
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
        *_copies(document.edited_copy),
    )


def _copies(copy: EditedCopy | None) -> tuple[str, ...]:
    if copy is None:
        return ()
    of_vectors = (
        "For edited copies there is one vector more of each whole picture: its direction tells "
        "which picture it is, its length how much of that there is to see."
    )
    if copy.alignment is None:
        return (
            f"{of_vectors} Pictures whose vectors point the same way are copies; the one with the "
            "shorter vector shows less and is the copy.",
        )
    return (
        of_vectors,
        "Besides, one picture is laid on the other. Places with a mark of their own, such as "
        "corners and spots, are looked for in both and paired by what surrounds them; of all ways "
        "to shift, turn, scale and slant one picture, also turned over, the one is taken that most "
        "of these pairs obey. Then the two are compared patch by patch. A model fitted on pairs "
        "known to be copies or not weighs the number of places, that agreement and the two vectors "
        "together. A copy is told from its source by the shorter vector and, where one lies within "
        "the other, by whether it goes on beyond its edge there, as a crop does, or ends in a "
        "seam, as what was pasted into a page does.",
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
        *_of_places(document.edited_copy),
        "Which design came first, who knew of which, and what the law makes of it are not for this "
        "report.",
    )


def _of_places(copy: EditedCopy | None) -> tuple[str, ...]:
    if copy is None or copy.alignment is None:
        return ()
    return (
        "Places that match tell little where a picture has few of them, as of a plain garment on a "
        "plain ground or after strong blurring; where most of the garment is covered; and where a "
        "pattern repeats itself, so that places cannot be told apart. Two garments on the same "
        "floor have its places in common: many of them with little agreement are no sign of a "
        "copy.",
        "A picture set into a page lies within that page as a crop lies within its source. The two "
        "are told apart by a seam round the picture, which a page of its colour may not show: "
        "which was made from the other must also be judged by what is to be seen.",
    )
