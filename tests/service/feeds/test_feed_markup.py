import tracemalloc
import xml.etree.ElementTree as ElementTree
from xml.sax.saxutils import escape

import pytest

from service.feeds import markup
from service.feeds.markup import read_elements, root_of
from service.feeds.records import FeedError, Problem
from service.feeds.row import Row
from service.feeds.text import FeedText

HEAD = '<?xml version="1.0"?>\n<rss xmlns:g="http://base.google.com/ns/1.0"><channel><title>Shop</title>'
TAIL = "</channel></rss>"


@pytest.fixture
def read(tmp_path):
    def read_content(content):
        path = tmp_path / "feed.xml"
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        with FeedText(path) as text:
            return list(read_elements(text))

    return read_content


def item(number, extra=""):
    return f"<item><g:id>{number}</g:id><title>T &amp; {number}</title>{extra}</item>\n"


def ids(entries):
    return [entry.first("id") for entry in entries if isinstance(entry, Row)]


def test_items_are_those_of_a_parser_that_reads_all_at_once(read, monkeypatch):
    monkeypatch.setattr(markup, "CHUNK_CHARS", 37)
    texts = ["a < b", "<![CDATA[", "]]", "é\U0001f9e5", "  spaced\n", ""]
    content = (
        HEAD
        + "".join(
            f"<item><!-- </item> --><g:id>{n}</g:id><title>{escape(text)}</title>"
            f"<link><![CDATA[</item>{n}]]></link><g:shipping><g:id>inner</g:id></g:shipping></item>"
            for n, text in enumerate(texts)
        )
        + TAIL
    )
    expected = [
        {child.tag.rpartition("}")[2]: child.text or "" for child in found if not len(child)}
        for found in ElementTree.fromstring(content).iter("item")
    ]
    found = [
        {name: texts[0] for name, texts in row.cells.items() if name != "shipping"}
        for row in read(content)
    ]
    assert found == expected


@pytest.mark.parametrize(
    "bad",
    [
        "<item><g:id>bad</g:id><title>Tom & Jerry</title></item>",
        "<item><g:id>bad</g:id><title>no end</item>",
        "<item><g:id>bad</g:id>&undefined;</item>",
        "<item><g:id>bad</g:id><x:y/></item>",
        "<item><g:id>bad\x01</g:id></item>",
        "<item><g:id>bad</g:id><a b=c></a></item>",
    ],
)
@pytest.mark.parametrize("place", [0, 3, 9])
def test_a_malformed_item_costs_that_item_alone(read, bad, place):
    items = [item(n) for n in range(10)]
    items[place] = bad
    found = read(HEAD + "".join(items) + TAIL)
    assert ids(found) == [str(n) for n in range(10) if n != place]
    assert [entry.number for entry in found if isinstance(entry, Problem)] == [place + 1]
    assert [entry.number for entry in found if isinstance(entry, Row)] == [
        n + 1 for n in range(10) if n != place
    ]


def test_bytes_that_are_no_characters_cost_their_item_alone(read):
    content = (HEAD + item(1) + item("bad") + item(3) + TAIL).encode()
    assert ids(read(content.replace(b"bad", b"b\xffd"))) == ["1", "3"]


def test_an_item_beyond_the_limit_costs_that_item_alone(read, monkeypatch):
    monkeypatch.setattr(markup, "MAX_ITEM_CHARS", 1_000)
    monkeypatch.setattr(markup, "CHUNK_CHARS", 100)
    found = read(HEAD + item(1) + item(2, f"<big>{'x' * 5_000}</big>") + item(3) + TAIL)
    assert ids(found) == ["1", "3"]
    assert [entry.number for entry in found if isinstance(entry, Problem)] == [2]


def test_an_item_that_is_not_closed_leaves_the_others(read):
    found = read(HEAD + item(1) + "<item><g:id>open</g:id>" + item(2) + item(3) + TAIL)
    assert ids(found) == ["1", "2", "3"]
    assert any("not closed" in entry.message for entry in found if isinstance(entry, Problem))


BOMB = (
    '<!DOCTYPE lolz [<!ENTITY a "ha">'
    + "".join(f'<!ENTITY a{n} "{"&a;" if n == 0 else f"&a{n - 1};" * 10}">' for n in range(9))
    + "]>"
)


@pytest.mark.parametrize(
    "prolog",
    [
        BOMB,
        '<!DOCTYPE r [<!ENTITY x SYSTEM "file:///etc/passwd">]>',
        '<!DOCTYPE r SYSTEM "http://127.0.0.1/evil.dtd">',
        '<!DOCTYPE r [<!ENTITY % p SYSTEM "http://127.0.0.1/p"> %p;]>',
        "<!DOCTYPE r>",
    ],
)
def test_declared_entities_and_types_are_refused(read, prolog):
    content = '<?xml version="1.0"?>' + prolog + HEAD.partition("?>")[2] + item("&a8;") + TAIL
    with pytest.raises(FeedError, match="refused"):
        read(content)


@pytest.mark.parametrize("kept", [0.3, 0.8, 0.99])
def test_a_document_cut_off_is_an_error_after_its_items(tmp_path, kept):
    content = HEAD + "".join(item(n) for n in range(50)) + TAIL
    cut = content[: int(len(content) * kept)]
    path = tmp_path / "feed.xml"
    path.write_text(cut)
    found = []
    with FeedText(path) as text, pytest.raises(FeedError, match="too early"):
        found.extend(read_elements(text))
    assert ids(found) == [str(n) for n in range(cut.count("</item>"))]


def test_memory_does_not_grow_with_the_number_of_items(tmp_path, monkeypatch):
    monkeypatch.setattr(markup, "CHUNK_CHARS", 4_096)

    def peak(items):
        path = tmp_path / f"{items}.xml"
        path.write_text(HEAD + "".join(item(n) for n in range(items)) + TAIL)
        tracemalloc.start()
        with FeedText(path) as text:
            count = sum(1 for _ in read_elements(text))
        used = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert count == items
        return used

    assert peak(4_000) < 1.5 * peak(1_000)


def test_the_root_is_found_behind_comments_and_declarations():
    assert root_of('<?xml version="1.0"?><!-- <a> --><!DOCTYPE rss><rss version="2.0">') == "rss"
    assert root_of('<rdf:RDF xmlns:rdf="x">') == "RDF"
    assert root_of("<>") == ""
