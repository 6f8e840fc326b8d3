"""Figures and findings in plain words that claim no more than was measured."""

import re
from typing import Final

from api_schemas.attributes import ValueReading
from api_schemas.evidence import (
    AttributeEvidence,
    Background,
    CopyBackground,
    EditedCopy,
    EvidenceDocument,
    Policy,
    Verdict,
)
from service.evidence.report.figures import how_often, likely, listed, percent, ratio, shown, spoken

EXCLUDED: Final = {
    "not_visible_in_a": "cannot be seen in A",
    "not_visible_in_b": "cannot be seen in B",
    "not_visible_in_either": "can be seen in neither",
}
_BRIEFLY: Final = {
    "not_visible_in_a": "not seen in A",
    "not_visible_in_b": "not seen in B",
    "not_visible_in_either": "seen in neither",
}
_FEW_SUSPECTS: Final = 100
"""A prior to set beside even odds: one suspect in so many is a copy."""


def headline(verdict: Verdict, policy: Policy) -> str:
    """The verdict in one sentence."""
    name = shown(policy.name)
    if verdict.outcome == "alike":
        return f"Under the policy “{name}”, these two designs are alike."
    if verdict.outcome == "not_alike":
        return f"Under the policy “{name}”, these two designs are not alike."
    return f"Too few attributes can be compared to decide under the policy “{name}”."


def points(verdict: Verdict, policy: Policy) -> str:
    """Which points are alike, and what the policy asks for."""
    alike = verdict.points_alike
    counted = verdict.points_counted
    named = f": {listed(alike)}" if alike else ""
    return (
        f"Of the {len(policy.attributes)} attributes that count, {counted} can be seen in both "
        f"pictures, and {len(alike)} of those {'is a point' if len(alike) == 1 else 'are points'} "
        f"alike{named}. The policy asks for at least {verdict.points_required}, each as alike as "
        f"at most {how_often(policy.max_chance)} unrelated pairs, and for a combined probability "
        f"of at least {100 * policy.min_probability:g} %."
    )


def combined(verdict: Verdict) -> str:
    """The combined probability, and how it hangs on what was likely before."""
    if verdict.probability is None:
        return "There is no combined probability, since nothing that counts can be seen in both."
    p = verdict.probability
    rarer = p / (p + (1 - p) * (_FEW_SUSPECTS - 1)) if p < 1 else 1.0
    return (
        f"The combined probability that one design is the other or a variant of it, rather than "
        f"unrelated, is {likely(p)} if both were equally likely beforehand. If only 1 in "
        f"{_FEW_SUSPECTS} garments looked at is such a copy, it is {likely(rarer)}."
    )


def rates(verdict: Verdict, background: Background) -> str:
    """The policy's errors."""
    accused, found = verdict.false_accusation_rate, verdict.detection_rate
    if accused is None or found is None:
        return (
            "How often this policy errs was not measured: its verdict must not be relied on "
            "without the figures below."
        )
    interval = background.false_accusation_interval
    between = f" ({_within(*interval)})" if interval else ""
    kinds = background.detection_rates or {}
    by_kind = "; ".join(f"{shown(kind)} {percent(rate)}" for kind, rate in kinds.items())
    return (
        f"How often this policy errs, measured on pictures not used to make it "
        f"({shown(background.measured_on)}): of pairs of unrelated garments it calls "
        f"{percent(accused)}{between} alike, which are false accusations; of edited copies and "
        f"design variants it finds {percent(found)}, and misses the others"
        f"{f' (found: {by_kind})' if by_kind else ''}."
    )


def _within(low: float, high: float) -> str:
    if low == high:  # photographers are drawn anew, which changes nothing where there is one
        return "of too few photographers to say how far that may be off"
    return f"between {percent(low)} and {percent(high)}, with 95 % confidence"


def caution(verdict: Verdict) -> str:
    """What the verdict is not."""
    if verdict.outcome == "alike":
        return (
            "This is a statistical statement about two pictures. It proves neither that one design "
            "was taken from the other nor which of them came first."
        )
    return (
        "This is a statistical statement about two pictures. It does not prove that the designs "
        "are independent of each other."
    )


def of_attribute(each: AttributeEvidence) -> list[str]:
    """One compared attribute in sentences."""
    assert each.similarity is not None
    sentences = [
        f"A reads as {_value(each.a.value, each.a.probability)}, "
        f"B as {_value(each.b.value, each.b.probability)}.",
        f"Similarity {each.similarity:.2f}.",
    ]
    if each.chance is not None:
        sentences[-1] += f" {how_often(each.chance)} unrelated pairs are at least as alike."
    if each.likelihood_ratio is not None:
        sentences.append(f"This similarity {ratio(each.likelihood_ratio)}.")
    sentences.append(standing(each))
    return sentences


def standing(each: AttributeEvidence) -> str:
    """What the policy makes of an attribute."""
    if each.excluded is not None:
        return f"Excluded: {_BRIEFLY[each.excluded]}."
    if each.exceeds:
        return "A point alike."
    return "Counted; no point alike." if each.weight else "Not counted by the policy."


def decided(copy: EditedCopy) -> str:
    """Whether one picture is an edited copy of the other."""
    return {
        "a_is_copy_of_b": "Picture A is judged to be an edited copy of picture B.",
        "b_is_copy_of_a": "Picture B is judged to be an edited copy of picture A.",
        "same_picture_or_undirected_copy": "The two are judged to be the same picture or copies "
        "of one; which was first cannot be told.",
        "no_copy": "Neither picture is judged to be an edited copy of the other.",
    }[copy.decision]


def copy_rates(copy: EditedCopy, background: CopyBackground | None) -> str:
    """How often that is wrong."""
    if background is None or not background.compared_with:
        return "How often this model errs in recognising copies was not measured."
    return (
        f"How often that errs, measured on pictures not used to train it "
        f"({shown(background.measured_on)}): of pictures that are no copies, each compared with "
        f"the most alike of {background.compared_with:,}, {percent(copy.false_accusation_rate)} "
        f"are called copies; of copies {percent(background.detection_rate)} are found; the "
        f"direction of crops and covered copies is wrong in "
        f"{percent(background.wrong_direction_rate)}."
    )


def both_ways(background: CopyBackground | None) -> str:
    """What the two probabilities of a copy are, and what is made of them."""
    judged = (
        f" One that reaches {likely(background.threshold)} is judged to be so."
        if background is not None and background.threshold is not None
        else ""
    )
    return (
        "Each figure is a probability by itself, where a copy and no copy were equally likely "
        "beforehand. The two need not add up to 100 %: an edit that takes nothing away can be "
        f"read either way.{judged}"
    )


def conceptual(sentence: str) -> str:
    """The model's own sentence on where the two part, as one of ours."""
    said = "".join(shown(word) for word in re.split("( )", sentence.replace("_", " ")))
    return said[:1].upper() + said[1:] + ("" if said.endswith(".") else ".")


def reading(read: ValueReading) -> str:
    """What a picture shows of an attribute, for a table."""
    return (
        "not visible"
        if read.value is None
        else f"{spoken(read.value)} ({likely(read.probability)})"
    )


def many_looks(document: EvidenceDocument) -> str:
    """Why a hit among many garments weighs less."""
    rate = document.verdict.false_accusation_rate
    expected = (
        f"with 1,000 unrelated garments compared, this policy calls about {1000 * rate:.0f} alike"
        if rate is not None
        else "the more garments are compared, the more unrelated ones are called alike"
    )
    return f"The rate of false accusations holds for one pair chosen beforehand: {expected}."


def _value(value: str | None, probability: float) -> str:
    return f"{spoken(value or 'nothing')} ({likely(probability)} sure)"
