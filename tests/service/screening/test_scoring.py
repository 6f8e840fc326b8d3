"""A screen finds what a slow loop over `examine` finds, with the same figures."""

import math
from dataclasses import replace

import numpy as np
import pytest
from screening_samples import card_with_evidence, record

from api_schemas.card import DesignSpace
from api_schemas.screens import ScreenFinding, ScreenRequest
from model.copies import copy_evidence
from model.evidence.examining import Evidence, Policy, examine
from model.evidence.figures import figures_of
from service.catalog.store import GarmentRecord
from service.screening import garments, scoring
from service.screening.garments import Garments
from service.screening.records import Finding
from service.screening.running import prepare
from service.screening.scoring import Scorer
from service.screening.tally import Tally, found
from service.screening.threshold import Threshold
from service.services import Services
from service.stored import as_embedding

DESIGNS = {f"design-{n}": record(f"design-{n}", n, tag=n % 2) for n in range(5)}
SUSPECTS = {
    **{f"variant-{n}": record(f"variant-{n}", n, True, fresh=True) for n in range(4)},
    **{f"other-{n}": record(f"other-{n}", n, fresh=n % 2 == 0) for n in range(20, 40)},
}
LENIENT = {"name": "lenient", "max_chance": 0.5, "min_points": 1, "min_probability": 0.0}


def slowly(
    rate: float, policy: Policy, designs: dict[str, GarmentRecord] = DESIGNS
) -> dict[tuple[str, str], Evidence]:
    """Every pair by itself: those that the policy and the rate's threshold call alike."""
    card = card_with_evidence()
    threshold = Threshold.of(rate, card, policy)
    beyond = {}
    for name, design in designs.items():
        for other, suspect in SUSPECTS.items():
            one = examine(as_embedding(design), as_embedding(suspect), card, policy=policy)
            verdict = one.verdict
            if (
                verdict.probability is not None
                and verdict.probability >= threshold.min_probability
                and len(verdict.points_alike) >= policy.min_points
            ):
                beyond[name, other] = one
    return beyond


def policy_with(**changes: object) -> Policy:
    own = card_with_evidence().evidence
    assert own is not None
    fields = own.policy.model_dump() | LENIENT | changes
    return Policy(**fields)


def assert_same_figures(finding: ScreenFinding, one: Evidence) -> None:
    verdict = one.verdict
    assert verdict.probability is not None
    assert math.isclose(finding.probability, verdict.probability, abs_tol=1e-5)
    assert {point.name for point in finding.points_alike} == set(verdict.points_alike)
    assert finding.points_counted == verdict.points_counted
    assert finding.points_required == verdict.points_required
    counted = {each.name: each for each in one.attributes if each.weight > 0}
    assert set(finding.not_visible) == {n for n, each in counted.items() if each.excluded}
    for point in finding.points_alike:
        each = counted[point.name]
        assert each.similarity is not None
        assert each.chance is not None
        assert each.likelihood_ratio is not None
        assert math.isclose(point.similarity, each.similarity, abs_tol=1e-5)
        assert math.isclose(point.chance, each.chance, rel_tol=1e-3)
        assert math.isclose(point.likelihood_ratio, each.likelihood_ratio, rel_tol=1e-3)
    chances = [point.chance for point in finding.points_alike]
    assert chances == sorted(chances)
    assert (finding.copy_ is None) == (one.copy is None)


@pytest.mark.parametrize("weights", [0.6, 0.3])
async def test_a_screen_finds_what_examining_every_pair_finds(
    services: Services, monkeypatch: pytest.MonkeyPatch, weights: float
):
    monkeypatch.setattr(garments, "PAGE", 7)
    monkeypatch.setattr(scoring, "TILE_PAIRS", 10)
    await services.catalog.put("ours", list(DESIGNS.values()))
    await services.catalog.put("market", list(SUSPECTS.values()))
    names = services.card.attribute_names
    policy = policy_with(attributes=dict.fromkeys(names, weights))
    request = ScreenRequest.model_validate(
        {
            "designs": {"catalog": "ours"},
            "suspects": {"catalog": "market"},
            "max_false_accusation_rate": 0.3,
            "policy": {**LENIENT, "attributes": dict.fromkeys(names, weights)},
            "limit_per_design": 1000,
        }
    )
    tally = Tally(await prepare(request, services), 1000)
    streamed = [one async for step in found(tally) for one in step]
    expected = slowly(0.3, policy)
    assert {(one.design, one.suspect) for one in streamed} == expected.keys()
    assert 4 <= len(expected) < len(DESIGNS) * len(SUSPECTS)
    for document in tally.findings():
        finding = ScreenFinding.model_validate(document)
        assert finding.design.image_sha256 == DESIGNS[finding.design.id or ""].image_sha256
        assert_same_figures(finding, expected[finding.design.id or "", finding.suspect.id or ""])
    probabilities = [document["probability"] for document in tally.findings()]
    assert probabilities == sorted(probabilities, reverse=True)
    summary = tally.summary()
    assert (summary["designs"], summary["suspects"]) == (len(DESIGNS), len(SUSPECTS))
    assert summary["pairs"] == len(DESIGNS) * len(SUSPECTS)
    rate = summary["threshold"]["max_false_accusation_rate"]
    assert rate <= 0.3
    assert summary["expected_false_findings"] == rate * summary["pairs"]


async def test_filters_leave_garments_out_on_both_sides(services: Services):
    await services.catalog.put("ours", list(DESIGNS.values()))
    await services.catalog.put("market", list(SUSPECTS.values()))
    request = ScreenRequest.model_validate(
        {
            "designs": {"catalog": "ours", "where": {"tag": 1}},
            "suspects": {"catalog": "market", "where": {"fresh": True}},
            "max_false_accusation_rate": 1.0,
            "policy": LENIENT,
        }
    )
    tally = Tally(await prepare(request, services), 1000)
    pairs = {(one.design, one.suspect) async for step in found(tally) for one in step}
    designs = {name: one for name, one in DESIGNS.items() if one.metadata["tag"] == 1}
    fresh = {name for name, one in SUSPECTS.items() if one.metadata["fresh"]}
    expected = {pair for pair in slowly(1.0, policy_with(), designs) if pair[1] in fresh}
    assert pairs == expected != set()
    assert tally.summary()["pairs"] == len(designs) * len(fresh)


async def test_a_garment_is_not_compared_with_itself(services: Services):
    await services.catalog.put("ours", list(DESIGNS.values()))
    request = ScreenRequest.model_validate(
        {
            "designs": {"catalog": "ours"},
            "suspects": {"catalog": "ours"},
            "max_false_accusation_rate": 1.0,
            "policy": LENIENT,
        }
    )
    tally = Tally(await prepare(request, services), 1000)
    pairs = {(one.design, one.suspect) async for step in found(tally) for one in step}
    assert pairs
    assert not {pair for pair in pairs if pair[0] == pair[1]}
    assert tally.summary()["pairs"] == len(DESIGNS) * (len(DESIGNS) - 1)


@pytest.mark.parametrize("held", ["designs", "suspects"])
def test_it_does_not_matter_which_side_is_held(held: str):
    ours = Garments.of_records("ours", list(DESIGNS.values()))
    market = Garments.of_records("market", list(SUSPECTS.values()))
    threshold = Threshold.of(0.3, card_with_evidence(), policy_with())
    scorer = Scorer(card_with_evidence(), threshold)
    if held == "designs":
        scored = scorer.compare(ours, market, True, 1000)
    else:
        scored = scorer.compare(market, ours, False, 1000)
    assert scored.pairs == len(ours) * len(market)
    pairs = {(one.design, one.suspect) for one in scored.findings}
    assert pairs == slowly(0.3, policy_with()).keys()


def test_the_limit_keeps_the_surest_of_each_design():
    ours = Garments.of_records("ours", list(DESIGNS.values()))
    market = Garments.of_records("market", list(SUSPECTS.values()))
    scorer = Scorer(card_with_evidence(), Threshold.of(1.0, card_with_evidence(), policy_with()))
    every = scorer.compare(ours, market, True, 1000)
    some = scorer.compare(ours, market, True, 3)
    assert some.found == every.found == len(every.findings)
    best: list[Finding] = []
    for name in DESIGNS:
        own = sorted((one for one in every.findings if one.design == name), key=lambda o: o.rank)
        best += own[:3]
    assert {one.rank for one in some.findings} == {one.rank for one in best}


def test_findings_above_a_rate_are_those_of_a_smaller_rate_and_more():
    ours = Garments.of_records("ours", list(DESIGNS.values()))
    market = Garments.of_records("market", list(SUSPECTS.values()))
    card = card_with_evidence()
    earlier: set[tuple[str, str]] = set()
    for rate in (0.002, 0.01, 0.1, 1.0):
        threshold = Threshold.of(rate, card, policy_with())
        scored = Scorer(card, threshold).compare(ours, market, True, 1000)
        pairs = {(one.design, one.suspect) for one in scored.findings}
        assert earlier <= pairs
        for one in scored.findings:
            assert one.document["false_accusation_rate"] <= threshold.rate * (1 + 1e-9)
        earlier = pairs


def test_a_rate_below_what_was_measured_becomes_the_smallest_measured():
    card = card_with_evidence()
    evidence = card.evidence
    assert evidence is not None
    strict = Threshold.of(1e-9, card, policy_with())
    assert strict.rate == strict.smallest_rate == pytest.approx(evidence.levels[-1])
    assert strict.document["smallest_rate_measured"] == strict.smallest_rate


def test_a_findings_own_rate_is_never_less_than_what_the_background_says():
    """Against counting the background pairs that reach the probability."""
    card = card_with_evidence()
    policy = policy_with(attributes=dict.fromkeys(card.attribute_names, 0.3))
    threshold = Threshold.of(0.5, card, policy)
    figures = figures_of(card)
    readings = figures.readings
    odds = readings.log_odds(readings.ratios_of_all(figures.unrelated), policy)
    background = 0.5 * (1 + np.tanh(0.5 * odds))
    for probability in (0.1, 0.3, 0.5, 0.7, 0.9, 0.99):
        share = float((background >= probability).mean())
        rate = float(threshold.rates(np.array([probability]))[0])
        assert rate >= share
        assert rate <= max(1.25 * share, threshold.smallest_rate) + 0.02


def with_design_row(one: GarmentRecord, seed: int) -> GarmentRecord:
    """The garment with a further space behind its attributes."""
    rng = np.random.default_rng(seed)
    vector = rng.standard_normal((1, one.vectors.shape[1]))
    vector /= np.linalg.norm(vector)
    return replace(
        one,
        vectors=np.concatenate([one.vectors, vector.astype(np.float16)]),
        norms=np.append(one.norms, np.float32(rng.uniform(1, 9))),
        visible=np.append(one.visible, np.float32(1)),
    )


@pytest.mark.parametrize("held_are_designs", [True, False])
def test_a_model_that_knows_copies_says_which_way_round(held_are_designs: bool):
    space = DesignSpace(
        slope=4.0,
        intercept=0.5,
        direction_slope=3.0,
        direction_margin=0.1,
        threshold=0.5,
        false_accusation_rate=0.01,
        false_accusation_rate_any_pair=0.001,
        detection_rate=0.9,
        wrong_direction_rate=0.01,
        compared_with=100,
        pairs=100,
        fitted_on="drawn",
    )
    card = card_with_evidence().model_copy(update={"design_space": space})
    designs = [with_design_row(one, place) for place, one in enumerate(DESIGNS.values())]
    suspects = [with_design_row(one, 100 + place) for place, one in enumerate(SUSPECTS.values())]
    ours, market = Garments.of_records("ours", designs), Garments.of_records("market", suspects)
    scorer = Scorer(card, Threshold.of(0.3, card, policy_with()))
    sides = (ours, market) if held_are_designs else (market, ours)
    findings = scorer.compare(*sides, held_are_designs, 1000).findings
    by_id = {one.id: as_embedding(one) for one in (*designs, *suspects)}
    assert findings
    for finding in findings:
        expected = copy_evidence(by_id[finding.design], by_id[finding.suspect], card)
        assert expected is not None
        copy = ScreenFinding.model_validate(finding.document).copy_
        assert copy is not None
        assert math.isclose(copy.similarity, expected.similarity, abs_tol=1e-5)
        assert math.isclose(copy.design_is_copy_of_suspect, expected.a_is_copy_of_b, abs_tol=1e-5)
        assert math.isclose(copy.suspect_is_copy_of_design, expected.b_is_copy_of_a, abs_tol=1e-5)
