"""Evidence that was answered survives the server's being killed."""

from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from model.encoder import SHIPPED_MODEL, Encoder
from tests.conftest import Server
from tests.service.evidence.evidence_records import with_evidence


@pytest.fixture
def model_file(encoder: Encoder, tmp_path: Path) -> Path:
    """The shipped model, with evidence figures put onto its card if it has none."""
    if encoder.card.evidence is not None:
        return SHIPPED_MODEL
    onnx = pytest.importorskip("onnx")
    model = onnx.load(SHIPPED_MODEL)
    (entry,) = [entry for entry in model.metadata_props if entry.key == "lapel.card"]
    entry.value = with_evidence(encoder.card).model_dump_json()
    onnx.save(model, tmp_path / "model.onnx")
    return tmp_path / "model.onnx"


@pytest.mark.slow
def test_a_killed_server_keeps_every_piece_of_evidence_it_answered(
    start_server: Callable[..., Server], photo: Callable[[int], bytes], model_file: Path
):
    first = start_server(model_path=model_file)
    answered = {}
    for number in range(1, 6):
        files = {"image_a": photo(0), "image_b": photo(number)}
        made = httpx.post(f"{first.url}/v1/evidence", files=files, timeout=30).json()
        answered[made["id"]] = made
    first.kill()

    second = start_server(model_path=model_file)
    with httpx.Client(base_url=second.url, timeout=30) as client:
        listed = client.get("/v1/evidence").json()["evidence"]
        assert {each["id"] for each in listed} == answered.keys()
        for id, made in answered.items():
            assert client.get(f"/v1/evidence/{id}").json() == made
            verified = client.get(f"/v1/evidence/{id}/verify").json()
            assert (verified["unaltered"], verified["reproduced"]) == (True, True)
        report = client.get(f"/v1/evidence/{id}/report", params={"format": "pdf"})
        assert report.content.startswith(b"%PDF")
