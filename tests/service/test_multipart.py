import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.datastructures import Headers, UploadFile
from starlette.formparsers import MultiPartParser

from service.multipart import MAX_PARTS, MalformedForm, Part, parse_form

BOUNDARY = "----form7MA4YWxk"


def form(*parts: bytes, end: bytes = b"--" + BOUNDARY.encode() + b"--\r\n") -> bytes:
    return b"".join(b"--" + BOUNDARY.encode() + b"\r\n" + part + b"\r\n" for part in parts) + end


def part(name: str, content: bytes, extra: str = "") -> bytes:
    head = f'Content-Disposition: form-data; name="{name}"{extra}\r\n\r\n'
    return head.encode() + content


def reference(body: bytes) -> list[tuple[str, bytes, str | None]]:
    """What Starlette's streaming parser reads."""

    async def stream():
        yield body

    async def parse() -> list[tuple[str, bytes, str | None]]:
        headers = Headers({"content-type": f"multipart/form-data; boundary={BOUNDARY}"})
        read = []
        for name, value in (await MultiPartParser(headers, stream()).parse()).multi_items():
            if isinstance(value, UploadFile):
                read.append((name, await value.read(), value.filename))
                await value.close()
            else:
                read.append((name, value.encode(), None))
        return read

    return asyncio.run(parse())


NAMES = st.text(
    st.characters(codec="ascii", exclude_characters='"\\%\r\n', exclude_categories=["Cc"]),
    min_size=1,
    max_size=20,
)


@given(
    st.lists(
        st.tuples(
            NAMES, st.binary(max_size=300) | st.just(b"\r\n--" + BOUNDARY[:-1].encode()), NAMES
        ),
        max_size=4,
    )
)
def test_files_are_read_as_the_streaming_parser_reads_them(files: list[tuple[str, bytes, str]]):
    body = form(*(part(name, data, f'; filename="{file}"') for name, data, file in files))
    read = [(p.name, p.content, p.filename) for p in parse_form(body, BOUNDARY)]
    assert read == [(name, data, file) for name, data, file in files] == reference(body)


@given(st.binary(max_size=200))
def test_any_bytes_are_a_form_or_malformed(junk: bytes):
    for body in (junk, form(part("a", junk))[:-3] + junk, b"--" + BOUNDARY.encode() + junk):
        try:
            parts = parse_form(body, BOUNDARY)
        except MalformedForm:
            continue
        assert all(isinstance(each, Part) for each in parts)


def test_a_text_field_has_no_file_name():
    assert parse_form(form(part("attributes", b"collar")), BOUNDARY) == [
        Part("attributes", b"collar")
    ]


@pytest.mark.parametrize(
    ("written", "read"),
    [('a\\"b', 'a"b'), ("a%22b", 'a"b'), ("caf\u00e9.jpg", "caf\u00e9.jpg"), ("a;b=c", "a;b=c")],
)
def test_quotes_and_other_letters_in_a_file_name_are_understood(written: str, read: str):
    body = form(part("image", b"x", f'; filename="{written}"'))
    assert parse_form(body, BOUNDARY)[0].filename == read


def test_text_before_the_first_boundary_and_after_the_last_is_ignored():
    body = b"preamble\r\n" + form(part("a", b"1")) + b"epilogue"
    assert parse_form(body, BOUNDARY) == [Part("a", b"1")]


def test_header_names_and_the_order_of_headers_do_not_matter():
    body = form(b"Content-Type: text/plain\r\ncontent-disposition: form-data; name=a\r\n\r\n1")
    assert parse_form(body, BOUNDARY) == [Part("a", b"1")]


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"", "no closing boundary"),
        (form(part("a", b"1"), end=b""), "cut off"),
        (form(part("a", b"1"))[:-30], "cut off"),
        (form(b"\r\n1"), "no end of headers"),
        (form(b"Content-Type: text/plain\r\n\r\n1"), "Content-Disposition"),
        (form(b"Content-Disposition: form-data\r\n\r\n1"), "no name"),
        (form(b"Content-Disposition: attachment; name=a\r\n\r\n1"), "Content-Disposition"),
        (form(b"Content-Disposition: form-data; name=a\r\n1"), "no end of headers"),
        (form(*[part("a", b"1")] * (MAX_PARTS + 1)), f"more than {MAX_PARTS}"),
        (
            form(b"Content-Transfer-Encoding: base64\r\n" + part("a", b"MQ==")),
            "base64",
        ),
        (b"--" + BOUNDARY.encode() + b"junk\r\n" + part("a", b"1"), "other text"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_malformed_form_is_refused_with_its_fault(body: bytes, said: str):
    with pytest.raises(MalformedForm, match=said):
        parse_form(body, BOUNDARY)


@pytest.mark.parametrize("boundary", ["", " ", "a" * 71, "a\u00e9", "a\nb", 'a"b', "a "])
def test_a_boundary_that_cannot_be_one_is_refused(boundary: str):
    with pytest.raises(MalformedForm, match="boundary"):
        parse_form(form(part("a", b"1")), boundary)
