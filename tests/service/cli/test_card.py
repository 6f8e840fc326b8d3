import json

from model.encoder import SHIPPED_MODEL


def test_the_card_is_shown_with_what_it_knows(run, encoder):
    shown = run("model", "show").out
    card = encoder.card
    for expected in (card.name, card.licence, encoder.fingerprint, card.provenance.data):
        assert expected in shown
    for attribute in card.attributes:
        assert attribute.name in shown
    for quality in card.quality:
        assert f"{quality.split} split, {quality.images} images" in shown


def test_json_is_the_card_itself(run, encoder):
    done = run("model", "show", SHIPPED_MODEL, "--json")
    assert json.loads(done.out) == json.loads(encoder.card.model_dump_json())


def test_a_file_that_is_no_model_is_told(run, tmp_path):
    (tmp_path / "x.onnx").write_bytes(b"nothing")
    done = run("model", "show", tmp_path / "x.onnx")
    assert done.code == 1
    assert "x.onnx is not a usable ONNX file" in done.err
    assert len(done.err.splitlines()) == 1
