"""Both clients against a running service."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from lapel_client import (
    ImageUrl,
    NamedImage,
    NewGarment,
    NotFound,
    ProblemError,
    StoredGarment,
    Unreachable,
    bulk,
)
from lapel_client.answers import ImportAnswer
from lapel_client.retries import Retries

Photo = Callable[[int], bytes]

PATIENCE_S = 60
ODD_ID = "ü ?#%25&=+\u2028'\""


def raw(url: str, method: str, path: str, **options: Any) -> Any:
    answer = httpx.request(method, url + path, **options)
    assert answer.is_success, answer.text
    return answer.json()


def test_answers_hold_all_that_the_service_says(lapel: Any, service_url: str, photo: Photo):
    files = {"image": photo(1)}
    said = raw(service_url, "PUT", "/v1/garments/one", files=files, params={"catalog": "same"})
    stored = lapel.put_garment("one", photo(1), catalog="same").model_dump()
    del said["updated_at"], stored["updated_at"]
    assert stored == said
    assert lapel.attributes().model_dump() == raw(service_url, "GET", "/v1/attributes")
    assert lapel.model().model_dump(mode="json", exclude_unset=True) == raw(
        service_url, "GET", "/v1/model"
    )
    body = {"query": {"values": {"collar": "shirt"}}}
    said = raw(service_url, "POST", "/v1/search", json=body, params={"catalog": "same"})
    found = lapel.search(values={"collar": "shirt"}, catalog="same").model_dump()
    del said["took_ms"], found["took_ms"]
    assert found == said


def test_a_file_its_bytes_and_the_stored_garment_are_the_same_image(
    lapel: Any, photo: Photo, tmp_path: Path
):
    (tmp_path / "one.png").write_bytes(photo(1))
    lapel.put_garment("one", tmp_path / "one.png", catalog="forms")
    other = photo(2)
    by_bytes = lapel.compare(photo(1), other)
    assert lapel.compare(tmp_path / "one.png", other) == by_bytes
    by_garment = lapel.compare(StoredGarment("one", "forms"), other)
    for name, compared in by_bytes.attributes.items():
        # Stored vectors are rounded to float16.
        assert by_garment.attributes[name].similarity == pytest.approx(
            compared.similarity, abs=2e-3
        )


def test_an_address_is_sent_as_one(lapel: Any):
    with pytest.raises(ProblemError) as caught:
        lapel.compare(ImageUrl("http://127.0.0.1/a.jpg"), b"")
    assert caught.value.status in (403, 422)


@pytest.mark.parametrize("name", ["", ".", "..", "a/b"])
def test_an_id_that_would_be_another_address_is_not_sent(lapel: Any, name: str):
    with pytest.raises(ValueError, match="no garment's id"):
        lapel.delete_garment(name)


def test_a_text_is_no_image(lapel: Any):
    with pytest.raises(TypeError, match=r"pathlib\.Path, StoredGarment or ImageUrl"):
        lapel.compare("photo.jpg", b"")


def test_embeddings_come_for_each_image_with_attention_where_asked_for(lapel: Any, photo: Photo):
    answer = lapel.embeddings([photo(1), photo(2)], attributes=["collar"], attention=True)
    assert [list(result.attributes) for result in answer.results] == [["collar"], ["collar"]]
    collar = answer.results[0].attributes["collar"]
    assert sum(x * x for x in collar.vector) == pytest.approx(1, abs=1e-5)
    assert sum(map(sum, collar.attention)) == pytest.approx(1, abs=1e-5)
    assert lapel.embeddings([photo(1)]).results[0].attributes["collar"].attention is None


def test_a_garment_of_an_odd_name_is_stored_found_and_removed(lapel: Any, photo: Photo):
    stored = lapel.put_garment(ODD_ID, photo(3), metadata={"price": 3, "text": "\u2028"})
    assert stored.id == ODD_ID
    assert lapel.get_garment(ODD_ID).metadata == {"price": 3, "text": "\u2028"}
    hits = lapel.search(StoredGarment(ODD_ID), where={"price": 3}, include_self=True).hits
    assert [hit.id for hit in hits] == [ODD_ID]
    lapel.delete_garment(ODD_ID)
    with pytest.raises(NotFound):
        lapel.get_garment(ODD_ID)


def test_a_picture_is_fetched_again_only_when_it_changed(lapel: Any, photo: Photo):
    lapel.put_garment("one", photo(1), catalog="pictures")
    picture = lapel.get_image("one", catalog="pictures")
    assert (picture.content, picture.media_type) == (photo(1), "image/png")
    assert lapel.get_image_if_changed("one", picture.etag, catalog="pictures") is None
    lapel.put_garment("one", photo(2), catalog="pictures")
    again = lapel.get_image_if_changed("one", picture.etag, catalog="pictures")
    assert again.content == photo(2)


def test_several_images_are_stored_in_order_and_found_by_each(lapel: Any, photo: Photo):
    catalog = f"several-{type(lapel).__name__.lower()}"
    stored = lapel.put_garment("two", [photo(1), photo(2)], catalog=catalog)
    new = [NewGarment("three", (photo(3), StoredGarment("two"), photo(4)))]
    (answer,) = lapel.bulk(new, catalog=catalog)
    assert (len(stored.images), answer.status) == (2, "created")
    for garment, index, number in [("two", 0, 1), ("two", 1, 2), ("three", 1, 1), ("three", 2, 4)]:
        picture = lapel.get_image(garment, index=index, catalog=catalog)
        assert picture.content == photo(number)
        same = lapel.get_image_if_changed(garment, picture.etag, index=index, catalog=catalog)
        assert same is None
    hits = lapel.search(photo(4), catalog=catalog).hits
    assert (hits[0].id, hits[0].image_index) == ("three", 2)


def test_many_are_stored_in_pieces_and_a_bad_one_fails_alone(
    lapel: Any, photo: Photo, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(bulk, "LINES_A_REQUEST", 3)
    new = [NewGarment(f"{n}\u2028", photo(n % 2), {"n": n}) for n in range(8)]
    new[4] = NewGarment("bad\u2028", b"no image")
    answers = list(lapel.bulk(new, catalog=f"many-{type(lapel).__name__.lower()}"))
    assert [answer.line for answer in answers] == list(range(1, 9))
    assert [answer.id for answer in answers] == [garment.id for garment in new]
    assert {answer.status for answer in answers} == {"created", "failed"}
    (failed,) = [answer for answer in answers if answer.status == "failed"]
    assert failed.problem is not None
    assert (failed.id, failed.problem.code) == ("bad\u2028", "invalid_image")


def test_garments_go_through_all_pages(lapel: Any, photo: Photo):
    new = (NewGarment(f"g{n}", photo(n % 2)) for n in range(5))
    assert len(list(lapel.bulk(new, catalog="pages"))) == 5
    listed = [garment.id for garment in lapel.garments(catalog="pages", page=2)]
    assert listed == ["g0", "g1", "g2", "g3", "g4"]
    assert {"pages"} <= {catalog.name for catalog in lapel.catalogs().catalogs}


def test_a_list_is_reranked_with_images_beside_garments(lapel: Any, photo: Photo):
    lapel.put_garment("one", photo(1), catalog="ranks")
    items = ["gone", NamedImage("same", photo(1)), "one", NamedImage("bad", b"no image")]
    ranked = lapel.rerank(photo(1), items=items, catalog="ranks")
    assert {item.id for item in ranked.items} == {"one", "same"}
    assert ranked.items[0].score == pytest.approx(1, abs=2e-3)
    assert (ranked.missing, [f.id for f in ranked.failed]) == (["gone"], ["bad"])


def test_a_pair_that_cannot_be_compared_has_its_problem_in_its_place(lapel: Any, photo: Photo):
    answer = lapel.compare_batch([(photo(1), photo(2)), (photo(1), b"no image")])
    assert answer.pairs[0].attributes is not None
    assert answer.pairs[1].problem is not None
    assert answer.pairs[1].problem.code == "invalid_image"


def test_a_refusal_says_what_was_wrong_in_fields(lapel: Any, photo: Photo):
    with pytest.raises(ProblemError) as caught:
        lapel.compare(photo(1), photo(2), attributes=["colar"])
    error = caught.value
    assert (error.status, error.code) == (422, "unknown_attribute")
    assert "colar" in error.detail
    assert error.detail in str(error)
    assert error.request_id
    assert error.errors == []
    with pytest.raises(ProblemError) as caught:
        lapel.search(values={"collar": "shirt"}, limit=0)
    assert [field.loc for field in caught.value.errors] == [["limit"]]


def ended(lapel: Any, import_id: str) -> ImportAnswer:
    giving_up = time.monotonic() + PATIENCE_S
    while (job := lapel.get_import(import_id)).state in ("waiting", "running"):
        assert time.monotonic() < giving_up
        time.sleep(0.05)
    assert isinstance(job, ImportAnswer)
    return job


def test_an_import_ends_with_a_list_of_what_it_could_not_do(lapel: Any, tmp_path: Path):
    feed = tmp_path / "feed.csv"
    address = "http://127.0.0.1:1/a.jpg"
    feed.write_text(
        f"id,title,image_link,price\na,Shirt,{address},3\nb,Hood,{address},much\n",
        encoding="utf-8",
    )
    taken = lapel.post_import(feed, currency="EUR", refetch=True, catalog="feeds")
    assert (taken.catalog, taken.format) == ("feeds", "google-text")
    assert (taken.options.currency, taken.options.refetch) == ("EUR", True)
    job = ended(lapel, taken.id)
    assert (job.state, job.counts.failed, job.counts.created) == ("done", 2, 0)
    faults = lapel.get_errors(taken.id)
    assert len(faults) == job.errors
    assert {(fault.number, fault.id, fault.column, fault.code) for fault in faults} == {
        (2, "a", "images", "image_url_not_allowed"),
        (3, "b", "images", "image_url_not_allowed"),
        (3, None, "price", "value_unreadable"),
    }
    assert taken.id in [listed.id for listed in lapel.list_imports().imports]
    assert lapel.delete_import(taken.id).state == "done"


def test_a_feed_is_given_once_and_as_what_it_is(lapel: Any):
    with pytest.raises(TypeError, match="got neither"):
        lapel.post_import()
    with pytest.raises(TypeError, match="got both"):
        lapel.post_import(b"id", url="https://example.com/feed.xml")
    with pytest.raises(TypeError, match="str is no feed"):
        lapel.post_import("feed.csv")
    with pytest.raises(NotFound, match="import_not_found"):
        lapel.get_errors("none")
    with pytest.raises(ProblemError, match="image_url_not_allowed"):
        lapel.post_import(url="http://127.0.0.1:1/feed.xml")


def test_the_state_of_the_service_can_be_asked(lapel: Any):
    assert lapel.healthz().status == "ok"
    assert lapel.readyz().status == "ready"
    assert "lapel_requests_total" in lapel.metrics()


def test_a_service_that_is_not_there_is_unreachable(connect: Callable[..., Any]):
    lapel = connect("http://127.0.0.1:1", retries=Retries(attempts=2, first_wait_s=0.001))
    with pytest.raises(Unreachable, match="ConnectError"):
        lapel.healthz()
