import base64
import hashlib
import io
import json
from datetime import timedelta

import numpy as np
import pytest
import rfc8785
from PIL import Image

from api_schemas.evidence import EvidenceDocument
from model import pixels
from model.evidence.examining import default_policy, examine
from service.evidence.attention import attention_maps
from service.evidence.canonical import canonical
from service.evidence.errors import EvidenceUnavailable
from service.evidence.making import Maker, attention_of
from service.evidence.overlays import outlined, whole
from tests.service.evidence.evidence_records import START, edited_copy, on_a_floor


def test_a_document_holds_what_the_model_says(records):
    document = EvidenceDocument.model_validate(records(1, 2).document)
    a, b = records.side(1), records.side(2)
    found = examine(a.embedding, b.embedding, records.maker.card)
    assert [each.name for each in document.attributes] == list(records.maker.card.attribute_names)
    for said, expected in zip(document.attributes, found.attributes, strict=True):
        assert said.excluded == expected.excluded
        assert said.exceeds == expected.exceeds
        assert said.a.value == expected.a.value
        for name in ("similarity", "chance", "likelihood_ratio", "weight"):
            want = getattr(expected, name)
            assert getattr(said, name) == (None if want is None else pytest.approx(want, rel=1e-5))
    assert document.verdict.outcome == found.verdict.outcome
    assert document.verdict.points_alike == list(found.verdict.points_alike)
    assert document.verdict.probability == pytest.approx(found.verdict.probability, rel=1e-5)
    assert document.policy.attributes == dict(default_policy(records.maker.card).attributes)


def test_the_files_are_named_by_their_hashes(records):
    record = records(1, 2)
    for letter, number in (("a", 1), ("b", 2)):
        facts, data = record.document["pictures"][letter], records.side(number).data
        assert facts["sha256"] == hashlib.sha256(data).hexdigest()
        assert (facts["bytes"], facts["media_type"]) == (len(data), "image/png")
        assert (facts["width"], facts["height"]) == (96, 96)


def test_the_hash_is_that_of_the_document_as_json_gives_it_back(records):
    record = records(1, 2)
    given_back = json.loads(json.dumps(record.document))
    assert hashlib.sha256(rfc8785.dumps(given_back)).hexdigest() == record.sha256
    assert record.id == record.sha256[:32]


def test_a_document_has_one_form_whatever_the_order_of_its_names():
    assert canonical({"b": 1.0, "a": [1e-7, True]}) == canonical({"a": [1e-7, True], "b": 1})
    assert canonical({"a": 0.5}) != canonical({"a": "0.5"})


def test_the_same_files_give_the_same_evidence_but_for_the_time(records):
    first, again, later = records(1, 2), records(1, 2), records(1, 2, minute=1)
    assert first == again
    assert later.id != first.id
    later.document["created_at"] = first.document["created_at"]
    assert later.document == first.document


def test_exchanged_pictures_exchange_what_is_directional_and_nothing_else(records):
    forth, back = records(1, 4).document, records(4, 1).document
    assert forth["pictures"]["a"] == back["pictures"]["b"]
    assert forth["verdict"] == back["verdict"]
    for one, other in zip(forth["attributes"], back["attributes"], strict=True):
        assert (one["a"], one["b"]) == (other["b"], other["a"])
        for name in ("similarity", "chance", "likelihood_ratio", "exceeds", "weight"):
            assert one[name] == other[name]
    for name in ("distances", "area", "parting", "order", "differences"):
        assert forth["conceptual"][name] == back["conceptual"][name]
    assert forth["conceptual"]["statements_a"] == back["conceptual"]["statements_b"]


def test_a_crop_turned_over_is_laid_where_it_was_cut_from(laid_records):
    source = on_a_floor(1, 101)
    a, b = (laid_records.of(data, "") for data in (source, edited_copy(source)))
    document = laid_records.maker.make(a, b, now=START).document
    copy = EvidenceDocument.model_validate(document).edited_copy
    assert copy.decision == "b_is_copy_of_a"
    laid = copy.alignment
    assert laid.mirrored
    assert laid.points > 20
    assert laid.agreement > 0.7
    assert laid.shown_of_a == pytest.approx(2 / 3 * 4 / 5, abs=0.03)
    assert laid.shown_of_b == pytest.approx(1, abs=0.03)
    # What is on the left of the crop was on the right.
    left, top, right, bottom = 1 / 6, 1 / 10, 5 / 6, 9 / 10
    np.testing.assert_allclose(
        laid.b_in_a, [(right, top), (left, top), (left, bottom), (right, bottom)], atol=0.02
    )
    design = laid_records.maker.card.design_space
    rates, verification = document["background"]["copies"], design.verification
    for name in ("detection_rate", "wrong_direction_rate", "threshold"):
        assert rates[name] == getattr(verification, name)
    assert copy.false_accusation_rate == verification.false_accusation_rate


def test_exchanged_pictures_exchange_how_they_lie_on_each_other(laid_records):
    source = on_a_floor(2, 102)
    sides = [laid_records.of(data, "") for data in (source, edited_copy(source))]
    sides.append(laid_records.of(on_a_floor(52, 102), ""))
    for one, other in ((0, 1), (0, 2), (1, 2)):
        forth, back = (
            laid_records.maker.make(sides[a], sides[b], now=START).document["edited_copy"]
            for a, b in ((one, other), (other, one))
        )
        assert forth["a_is_copy_of_b"] == back["b_is_copy_of_a"]
        assert forth["b_is_copy_of_a"] == back["a_is_copy_of_b"]
        assert forth["similarity"] == back["similarity"]
        there, here = forth["alignment"], back["alignment"]
        for name in ("points", "agreement", "mirrored"):
            assert there[name] == here[name]
        for of_a, of_b in (("shown_of_a", "shown_of_b"), ("a_in_b", "b_in_a")):
            assert (there[of_a], there[of_b]) == (here[of_b], here[of_a])


def test_a_model_that_compares_vectors_alone_lays_no_picture_on_another(records):
    source = on_a_floor(1, 101)
    a, b = (records.of(data, "") for data in (source, edited_copy(source)))
    document = records.maker.make(a, b, now=START).document
    assert document["edited_copy"]["alignment"] is None
    threshold = records.maker.card.design_space.threshold
    assert document["background"]["copies"]["threshold"] == pytest.approx(threshold, rel=1e-5)


def test_attention_is_kept_for_the_attributes_asked_for_in_their_order(records):
    names = [records.maker.card.attribute_names[i] for i in (3, 0)]
    record = records(1, 2, names=names)
    assert [each["name"] for each in record.document["attributes"]] == names
    for kept, number in zip(attention_of(record), (1, 2), strict=True):
        np.testing.assert_array_equal(kept, records.side(number).embedding.attention[[3, 0]])


def test_attention_is_given_as_shares_or_as_pictures(records):
    record = records(1, 2, names=list(records.maker.card.attribute_names[:2]))
    for each, map_ in zip(attention_maps(record, "grid"), attention_of(record)[0], strict=True):
        np.testing.assert_allclose(each["a"], map_, rtol=1e-5)
    for each in attention_maps(record, "overlay"):
        for uri in (each["a"], each["b"]):
            kind, _, data = uri.partition(",")
            assert kind == "data:image/png;base64"
            assert Image.open(io.BytesIO(base64.b64decode(data))).size == (320, 320)


def test_a_model_without_figures_is_told_by_name(records, encoder):
    card = records.maker.card.model_copy(update={"evidence": None})
    maker = Maker(card, records.maker.identity, "0.0")
    with pytest.raises(
        EvidenceUnavailable, match=f"{card.name} {card.version} has no evidence figures"
    ):
        maker.make(records.side(1), records.side(2))


def test_pictures_are_left_out_where_they_are_not_to_be_kept(records):
    card = records.maker.card
    maker = Maker(card, records.maker.identity, "0.0", keep_pictures=False)
    record = maker.make(records.side(1), records.side(2), now=START + timedelta(minutes=0))
    assert (record.pictures.a, record.pictures.b) == (None, None)
    assert record.document == records(1, 2).document


def dark(image):
    """(H, W) where an outline's black is."""
    return np.asarray(image.convert("L")) < 60


def test_an_outline_encloses_the_part_that_lies_within_the_picture():
    grey = Image.new("RGB", (640, 480), (150, 150, 150))
    line = dark(outlined(grey, [(0.25, 0.25), (0.75, 0.25), (0.75, 0.75), (0.25, 0.75)]))
    rows, columns = np.nonzero(line)
    assert (columns.min(), columns.max()) == pytest.approx((160, 480), abs=4)
    assert (rows.min(), rows.max()) == pytest.approx((120, 360), abs=4)
    assert not line[200:280, 240:400].any()


@pytest.mark.parametrize("size", [(640, 480), (640, 40), (8, 640), (640, 1)])
def test_what_lies_beyond_the_picture_is_outlined_along_its_border(size):
    grey = Image.new("RGB", size, (150, 150, 150))
    far = [(-30.0, -20.0), (30.0, -20.0), (30.0, 20.0), (-30.0, 20.0)]
    shown = outlined(grey, far)
    assert shown.size == size
    if min(size) >= 40:
        rows, columns = np.nonzero(dark(shown))
        assert min(columns.min(), rows.min()) > 0
        assert (columns.max() - columns.min(), rows.max() - rows.min()) == pytest.approx(
            (size[0], size[1]), abs=24
        )


def test_an_area_that_lies_elsewhere_leaves_a_picture_as_it_is():
    grey = Image.new("RGB", (640, 480), (150, 150, 150))
    elsewhere = [(2.0, 2.0), (3.0, 2.0), (3.0, 3.0), (2.0, 3.0)]
    assert outlined(grey, elsewhere).tobytes() == grey.tobytes()


@pytest.mark.parametrize("ground", [(0, 0, 0), (255, 255, 255), (200, 30, 30)])
def test_an_outline_shows_on_any_cloth(ground):
    cloth = Image.new("RGB", (300, 300), ground)
    drawn = outlined(cloth, [(0.2, 0.2), (0.8, 0.2), (0.8, 0.8), (0.2, 0.8)])
    across = np.asarray(drawn.convert("L"))[150, :150].astype(int)
    assert across.min() == 0
    assert across.max() == 255  # black between white, or it would vanish on one of them


@pytest.mark.parametrize(("orientation", "size"), [(1, (40, 60)), (6, (60, 40))])
def test_a_picture_is_shown_upright_and_whole(orientation, size):
    image = Image.new("RGB", (40, 60), "white")
    image.paste("red", (0, 0, 40, 12))  # the first of the rows as they are stored
    file, exif = io.BytesIO(), Image.Exif()
    exif[0x0112] = orientation
    image.save(file, "JPEG", exif=exif, quality=95)
    assert pixels.upright_size(file.getvalue()) == size
    shown = whole(file.getvalue(), size)
    assert shown.width * size[1] == pytest.approx(shown.height * size[0], rel=0.01)
    # Turned by 90 degrees clockwise, the top becomes the right side.
    red, white = ((0.5, 0.05), (0.5, 0.95)) if orientation == 1 else ((0.95, 0.5), (0.05, 0.5))
    for (x, y), expected in ((red, (254, 0, 0)), (white, (255, 255, 255))):
        found = shown.getpixel((int(x * shown.width), int(y * shown.height)))
        assert np.abs(np.array(found) - expected).max() < 30
