"""Evidence, and a change of models, asked for by both clients of a running service."""

from collections.abc import Callable
from typing import Any

import httpx
import pytest
from lapel_client import NotFound, Policy, ProblemError, StoredGarment
from lapel_client.calls_evidence import post_evidence
from lapel_client.errors import Unreachable

from tests.client.conftest import ADMIN_TOKEN

Photo = Callable[[int], bytes]


def test_evidence_is_fetched_again_listed_verified_and_deleted(
    examiner: Any, examiner_url: str, photo: Photo
):
    examiner.put_garment("one", photo(1), catalog="ours")
    made = examiner.post_evidence(
        StoredGarment("one", "ours"), photo(2), name_b="seen", attributes=["collar", "pattern"]
    )
    assert [each.name for each in made.document.attributes] == ["collar", "pattern"]
    assert (made.document.pictures.a.name, made.document.pictures.b.name) == ("one", "seen")
    said = httpx.get(f"{examiner_url}/v1/evidence/{made.id}").json()
    assert made.model_dump(exclude_unset=True) | {"document": said["document"]} == said
    assert made.document.model_dump(mode="json") == said["document"]
    assert examiner.get_evidence(made.id) == made
    assert examiner.list_evidence(limit=1).evidence[0].id == made.id
    verified = examiner.verify_evidence(made.id)
    assert (verified.unaltered, verified.reproduced) == (True, True)
    examiner.delete_evidence(made.id)
    with pytest.raises(NotFound, match="evidence_not_found"):
        examiner.get_evidence(made.id)


def test_all_evidence_comes_page_by_page_the_newest_first(examiner: Any, photo: Photo):
    made = [examiner.post_evidence(photo(1), photo(number)).id for number in range(2, 5)]
    listed = [entry.id for entry in examiner.evidence(page=2)]
    assert listed[:3] == made[::-1]
    assert len(listed) == len(set(listed))


def test_a_policy_and_attention_are_asked_for(examiner: Any, photo: Photo):
    policy = Policy(name="strict", attributes={"collar": 2.0, "pattern": 1.0}, min_points=1)
    made = examiner.post_evidence(photo(1), photo(2), policy=policy, attention="grid")
    applied = made.document.policy
    assert (applied.name, applied.min_points) == ("strict", 1)
    assert applied.attributes == {"collar": 2.0, "pattern": 1.0}
    assert (
        applied.max_chance == examiner.post_evidence(photo(1), photo(2)).document.policy.max_chance
    )
    for maps in made.attention:
        assert sum(map(sum, maps.a)) == pytest.approx(1, abs=1e-4)
    overlaid = examiner.get_evidence(made.id, attention="overlay")
    assert overlaid.attention[0].a.startswith("data:image/png;base64,")


def test_a_report_comes_as_the_file_that_was_asked_for(examiner: Any, photo: Photo):
    made = examiner.post_evidence(photo(1), photo(2), name_a="the original")
    page = examiner.report_evidence(made.id)
    assert page.media_type == "text/html"
    assert made.sha256.encode() in page.content
    paper = examiner.report_evidence(made.id, format="pdf", paper="letter")
    assert paper.media_type == "application/pdf"
    assert paper.content.startswith(b"%PDF")


def test_an_examination_whose_answer_was_lost_is_not_sent_again():
    call = post_evidence(b"a", b"b")
    lost, refused = Unreachable("lost"), Unreachable("refused")
    lost.__cause__ = httpx.ReadError("lost")
    refused.__cause__ = httpx.ConnectError("refused")
    assert (call.may_repeat(lost), call.may_repeat(refused)) == (False, True)


def test_a_change_of_models_takes_the_token(examiner: Any, connect: Any, examiner_url: str):
    now = examiner.get_change(token=ADMIN_TOKEN)
    assert (now.state, now.active) == ("idle", examiner.readyz().model)
    headed = connect(examiner_url, headers={"Authorization": f"Bearer {ADMIN_TOKEN}"})
    assert headed.get_change() == now
    for wrong in (None, "another"):
        with pytest.raises(ProblemError, match="not_authorized"):
            examiner.post_change(b"no model", token=wrong)
    with pytest.raises(ProblemError, match="invalid_model"):
        examiner.post_change(b"no model", force=False, token=ADMIN_TOKEN)
    assert examiner.delete_change(token=ADMIN_TOKEN).state == "idle"
