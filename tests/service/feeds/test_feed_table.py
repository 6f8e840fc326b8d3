import csv
import io
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service.feeds.records import FeedError, Problem
from service.feeds.table import Record, read_records
from service.feeds.text import FeedText


def read(path, content, delimiter=","):
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with FeedText(path) as text:
        return list(read_records(text, delimiter))


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    return tmp_path_factory.mktemp("table") / "feed.csv"


CELL = st.text(st.sampled_from('ab",;\n\r\t é'), max_size=6)


@settings(max_examples=60, deadline=None)
@given(
    st.integers(1, 4).flatmap(
        lambda width: st.lists(
            st.lists(CELL, min_size=width, max_size=width).filter(any), min_size=1, max_size=8
        )
    ),
    st.sampled_from([",", ";", "|"]),
    st.sampled_from(["\n", "\r\n"]),
)
def test_what_a_csv_writer_writes_is_read_back(file, rows, delimiter, end):
    buffer = io.StringIO()
    csv.writer(buffer, delimiter=delimiter, lineterminator=end, quoting=csv.QUOTE_ALL).writerows(
        rows
    )
    found = read(file, buffer.getvalue(), delimiter)
    assert [record.cells for record in found] == rows


def test_rows_are_numbered_by_the_line_they_begin_on(file):
    found = read(file, 'a,b\n"x\ny\r\nz",1\n\n,\nlast,2\n')
    assert found == [Record(1, ["a", "b"]), Record(2, ["x\ny\r\nz", "1"]), Record(7, ["last", "2"])]


@pytest.mark.parametrize(
    "bad",
    ['1,"open', '1,"open,"x"', "1", "1,2,3,4", '"a"b,2,3', '1,"two ""quotes"" open,3'],
)
def test_a_bad_row_costs_that_row_alone(file, bad):
    rows = [f'{n},"cell {n}",c' for n in range(50)]
    rows[20] = bad
    found = read(file, "\n".join(["h1,h2,h3", *rows]) + "\n")
    good = [record.cells for record in found if isinstance(record, Record)]
    problems = [entry.number for entry in found if isinstance(entry, Problem)]
    assert good[1:] == [[str(n), f"cell {n}", "c"] for n in range(50) if n != 20]
    assert problems == [22]


def test_an_unclosed_quote_in_the_last_row_is_heard_of(file):
    assert isinstance(read(file, 'a,b\n1,2\n3,"4\n')[-1], Problem)


def test_empty_cells_beyond_the_header_do_no_harm(file):
    assert read(file, "a,b\n1,2,,\n")[1] == Record(2, ["1", "2"])


def test_a_quote_in_a_tab_separated_cell_is_a_quote(file):
    found = read(file, 'id\ttitle\n1\t"Slim" shirt\n2\t"5 inch\n3\tboot\n', "\t")
    assert [record.cells for record in found[1:]] == [
        ["1", '"Slim" shirt'],
        ["2", '"5 inch'],
        ["3", "boot"],
    ]


def test_a_cell_of_a_megabyte_is_read(file):
    big = "x" * 1_000_000
    assert read(file, f"a,b\n1,{big}\n")[1].cells[1] == big


def test_a_line_beyond_all_limits_costs_that_line_alone(file):
    found = read(file, b"a,b\n1," + b"x" * 5_000_000 + b"\n2,ok\n")
    assert isinstance(found[1], Problem)
    assert found[2:] == [Record(3, ["2", "ok"])]


def test_quotes_that_never_close_end_the_file_after_a_bounded_search(file, monkeypatch):
    monkeypatch.setattr("service.feeds.table.MAX_RECORD_CHARS", 2_000)
    monkeypatch.setattr("service.feeds.table.MAX_REREAD_CHARS", 20_000)
    # Each row opens a quote at its end, and none of the lines after it holds another.
    rows = "".join(f'{n},"\n' + "x\n" * 1_500 for n in range(40))
    with pytest.raises(FeedError, match="never closed"):
        read(file, "a,b\n" + rows)


def test_random_bytes_give_records_or_problems_or_a_feed_error(file):
    rng = random.Random(7)
    for _ in range(150):
        content = bytes(rng.choice(b'ab,;"\n\r\t\x00\xff\xc3') for _ in range(rng.randint(0, 400)))
        try:
            found = read(file, content)
        except FeedError:
            continue
        assert all(isinstance(entry, Record | Problem) for entry in found)
