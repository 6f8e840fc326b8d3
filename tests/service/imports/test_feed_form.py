"""The form that a feed comes in, cut into pieces of any size."""

from pathlib import Path

import pytest

from service.errors import FeedTooLarge, InvalidRequest
from service.imports.form import FeedForm
from service.imports.records import ImportOptions

FEED = b"id,title\r\n--xyy\r\n--xy\r\n-" + bytes(range(256))
BODY = b"".join(
    b'--xyz\r\nContent-Disposition: form-data; name="%s"%s\r\n\r\n%s\r\n' % part
    for part in (
        (b"currency", b"", b"EUR"),
        (b"feed", b'; filename="a.csv"', FEED),
        (b"delete_missing", b"", b"true"),
    )
)


@pytest.mark.parametrize("size", [1, 7, 64, 10_000])
def test_a_form_reads_the_same_in_pieces_of_any_size(tmp_path: Path, size: int):
    body = BODY + b"--xyz--\r\n"
    with FeedForm(tmp_path / "f", "xyz", len(FEED)) as form:
        for start in range(0, len(body), size):
            form.feed(body[start : start + size])
            form.feed(b"")
    assert (tmp_path / "f").read_bytes() == FEED
    assert form.options("shop") == ImportOptions("shop", "EUR", False, True)


def test_a_feed_of_one_byte_more_than_allowed_is_refused(tmp_path: Path):
    with (
        pytest.raises(FeedTooLarge, match=str(len(FEED) - 1)),
        FeedForm(tmp_path / "f", "xyz", len(FEED) - 1) as form,
    ):
        form.feed(BODY)


@pytest.mark.parametrize(
    "body",
    [b"", BODY, b"--xyz--\r\n", b"no form", b'--xyz\r\nContent-Disposition: form-data; name="feed'],
)
def test_a_form_that_is_cut_off_or_empty_is_refused(tmp_path: Path, body: bytes):
    with pytest.raises(InvalidRequest):
        read(tmp_path, body)


@pytest.mark.parametrize("text", [b"0", b"9", b"-1", b"+3", b"two", b"", b"\xb2"])
def test_a_number_of_images_that_is_none_is_refused(tmp_path: Path, text: bytes):
    body = BODY + _images(text)
    with pytest.raises(InvalidRequest, match=r"images_per_product: .* 1\.\.8"):
        read(tmp_path, body)


def test_the_number_of_images_is_read(tmp_path: Path):
    assert read(tmp_path, BODY + _images(b"8")).images_per_product == 8


def _images(text: bytes) -> bytes:
    name = b'Content-Disposition: form-data; name="images_per_product"'
    return b"--xyz\r\n%s\r\n\r\n%s\r\n--xyz--\r\n" % (name, text)


def read(folder: Path, body: bytes) -> ImportOptions:
    with FeedForm(folder / "f", "xyz", 10_000) as form:
        form.feed(body)
    return form.options("shop")


def test_a_form_without_a_boundary_is_refused(tmp_path: Path):
    with pytest.raises(InvalidRequest, match="boundary"):
        FeedForm(tmp_path / "f", "", 10)
