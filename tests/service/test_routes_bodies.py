import pytest
from fastapi import Request
from httpx import Request as ClientRequest
from hypothesis import given
from hypothesis import strategies as st

from service.errors import ImageTooLarge, InvalidRequest
from service.routes.bodies import MAX_PARTS, Form, content_type, read_body, read_form

BOUNDARY = "----form7MA4YWxk"
FIELDS = ("image", "attributes", "metadata")


def request(body: bytes, header: str = f"multipart/form-data; boundary={BOUNDARY}") -> Request:
    """A request whose body comes in two pieces."""
    pieces = [body[: len(body) // 2], body[len(body) // 2 :]]

    async def receive():
        return {"type": "http.request", "body": pieces.pop(0), "more_body": bool(pieces)}

    headers = [(b"content-type", header.encode("latin-1"))]
    return Request({"type": "http", "headers": headers}, receive)


async def read(body: bytes) -> Form:
    return await read_form(request(body), FIELDS, max_bytes=1 << 20)


def form(*parts: bytes, end: bytes = b"--" + BOUNDARY.encode() + b"--\r\n") -> bytes:
    return b"".join(b"--" + BOUNDARY.encode() + b"\r\n" + part + b"\r\n" for part in parts) + end


def part(name: str, content: bytes, extra: str = "") -> bytes:
    head = f'Content-Disposition: form-data; name="{name}"{extra}\r\n\r\n'
    return head.encode() + content


@given(
    st.lists(
        st.tuples(st.sampled_from(FIELDS), st.binary(max_size=300), st.text(min_size=1)), min_size=1
    ),
    st.sampled_from(["frontier", BOUNDARY, "a:b c"]),
)
async def test_a_form_is_read_as_a_client_wrote_it(
    files: list[tuple[str, bytes, str]], boundary: str
):
    header = f'multipart/form-data; boundary="{boundary}"'
    sent = ClientRequest(
        "POST",
        "http://lapel",
        files=[(name, (filename, data)) for name, data, filename in files],
        headers={"content-type": header},
    )
    written = await read_form(request(sent.read(), header), FIELDS, max_bytes=1 << 20)
    for name in FIELDS:
        assert written.files(name) == [data for field, data, _ in files if field == name]


@given(st.binary(max_size=200))
async def test_any_bytes_are_a_form_or_refused(junk: bytes):
    for body in (junk, form(part("image", junk))[:-3] + junk, b"--" + BOUNDARY.encode() + junk):
        try:
            assert isinstance(await read(body), Form)
        except InvalidRequest:
            continue


@pytest.mark.parametrize("end", [b"\r\n--" + BOUNDARY[:-1].encode(), b"\r\n--", b"\r\n", b"\r"])
async def test_what_looks_like_the_beginning_of_a_boundary_is_content(end: bytes):
    content = b"\x00" + end + b"x" + end
    assert (await read(form(part("image", content)))).file("image") == content


async def test_text_before_the_first_boundary_and_after_the_last_is_ignored():
    body = b"preamble\r\n" + form(part("image", b"1")) + b"epilogue"
    assert (await read(body)).files("image") == [b"1"]


async def test_header_names_and_the_order_of_headers_do_not_matter():
    body = form(b"Content-Type: text/plain\r\ncontent-disposition: form-data; name=image\r\n\r\n1")
    assert (await read(body)).files("image") == [b"1"]


MALFORMED = {
    "nothing": b"",
    "no closing boundary": form(part("image", b"1"), end=b""),
    "cut off in the content": form(part("image", b"1"))[:-30],
    "no headers": form(b"\r\n1"),
    "no disposition": form(b"Content-Type: text/plain\r\n\r\n1"),
    "no name": form(b"Content-Disposition: form-data\r\n\r\n1"),
    "no form-data": form(b"Content-Disposition: attachment; name=image\r\n\r\n1"),
    "no end of headers": form(b"Content-Disposition: form-data; name=image\r\n1"),
    "long header": form(part("image", b"1", f'; filename="{"x" * 10_000}"')),
    "not UTF-8": form(b'Content-Disposition: form-data; name="\xff"\r\n\r\n1'),
    "text after a boundary": b"--" + BOUNDARY.encode() + b"junk\r\n" + part("image", b"1"),
    "false length": form(b"Content-Length: 5\r\n" + part("image", b"1")),
}


@pytest.mark.parametrize("body", MALFORMED.values(), ids=MALFORMED)
async def test_a_malformed_form_is_refused(body: bytes):
    with pytest.raises(InvalidRequest, match="the multipart form cannot be read: "):
        await read(body)


async def test_more_parts_than_allowed_are_refused():
    assert len((await read(form(*[part("image", b"1")] * MAX_PARTS))).files("image")) == MAX_PARTS
    with pytest.raises(InvalidRequest, match="segment count"):
        await read(form(*[part("image", b"1")] * (MAX_PARTS + 1)))


async def test_a_part_in_another_encoding_is_refused_instead_of_misread():
    head = b"Content-Transfer-Encoding: %s\r\n"
    assert (await read(form(head % b"Binary" + part("image", b"MQ==")))).files("image") == [b"MQ=="]
    with pytest.raises(InvalidRequest, match="'base64' is not read"):
        await read(form(head % b"base64" + part("image", b"MQ==")))


async def test_an_unknown_field_is_named_with_those_allowed():
    with pytest.raises(InvalidRequest, match="'picture'; allowed: image, attributes, metadata"):
        await read(form(part("picture", b"1")))


@pytest.mark.parametrize("header", ["multipart/form-data", "multipart/form-data; boundary="])
async def test_a_form_without_a_boundary_is_refused(header: str):
    with pytest.raises(InvalidRequest, match="boundary"):
        await read_form(request(form(part("image", b"1")), header), FIELDS, max_bytes=1000)


@pytest.mark.parametrize(
    ("header", "name", "parameters"),
    [
        ("application/json", "application/json", {}),
        ("Application/JSON ; Charset=UTF-8", "application/json", {"charset": "UTF-8"}),
        ('multipart/form-data; boundary="a;b=c"', "multipart/form-data", {"boundary": "a;b=c"}),
        ("multipart/form-data;boundary=----x", "multipart/form-data", {"boundary": "----x"}),
        ("", "", {}),
    ],
)
def test_a_content_type_is_taken_apart(header: str, name: str, parameters: dict[str, str]):
    assert content_type(request(b"", header))[:2] == (name, parameters)


async def test_a_body_is_bounded_without_an_announced_length():
    assert await read_body(request(b"x" * 100), max_bytes=100) == b"x" * 100
    with pytest.raises(ImageTooLarge):
        await read_body(request(b"x" * 101), max_bytes=100)
