import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service.feeds.values import (
    one_line,
    read_address,
    read_availability,
    read_price,
    split_addresses,
    split_list,
)


@pytest.mark.parametrize(
    ("text", "amount", "currency"),
    [
        ("19.99 EUR", 19.99, "EUR"),
        ("19.99EUR", 19.99, "EUR"),
        ("usd 19.99", 19.99, "USD"),
        ("19,99", 19.99, None),
        ("1,234", 1234.0, None),
        ("1,234.50", 1234.5, None),
        ("1.234,50 EUR", 1234.5, "EUR"),
        ("1.234.567", 1234567.0, None),
        ("1 234,50 SEK", 1234.5, "SEK"),
        ("1'250.00 CHF", 1250.0, "CHF"),
        ("1.250 KWD", 1.25, "KWD"),
        ("€ 5", 5.0, "EUR"),
        ("£5.00", 5.0, "GBP"),
        ("$5.00", 5.0, None),
        ("0", 0.0, None),
    ],
)
def test_prices_of_all_countries_are_read(text, amount, currency):
    assert read_price(text) == (amount, currency)


@pytest.mark.parametrize(
    "text", ["", "free", "-5", "5 EURO", "EUR 5 EUR", "1,2,3.4.5", "٣", "1e5", "nan", "9" * 400]
)
def test_what_is_no_price_is_named_and_refused(text):
    with pytest.raises(ValueError, match="is no price"):
        read_price(text)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10**9), st.integers(0, 99), st.sampled_from(["EUR", "NOK", "USD"]))
def test_a_price_written_as_google_asks_comes_back(units, cents, currency):
    assert read_price(f"{units}.{cents:02d} {currency}") == (units + cents / 100, currency) or (
        abs(read_price(f"{units}.{cents:02d} {currency}")[0] - units - cents / 100) < 1e-6
    )


@pytest.mark.parametrize(
    ("text", "meaning"),
    [
        ("in stock", "in_stock"),
        ("in_stock", "in_stock"),
        ("InStock", "in_stock"),
        ("https://schema.org/BackOrder", "backorder"),
        ("out of stock", "out_of_stock"),
        ("PreOrder", "preorder"),
    ],
)
def test_availability_means_the_same_in_all_spellings(text, meaning):
    assert read_availability(text) == meaning


def test_an_unknown_availability_is_refused_with_those_allowed():
    with pytest.raises(ValueError, match='"soon" is no availability; allowed are backorder'):
        read_availability("soon")


@pytest.mark.parametrize(
    "text",
    [
        "shirt.jpg",
        "ftp://a.example/x.jpg",
        "file:///etc/passwd",
        "data:image/png;base64,AA",
        "http://",
        "http://[::1/x.jpg",
        "https://a.example/two words.jpg",
        "https://a.example/\x00.jpg",
        "https://a.example/" + "x" * 5000,
        "javascript:alert(1)",
        "/relative.jpg",
    ],
)
def test_only_absolute_web_addresses_are_images(text):
    with pytest.raises(ValueError):
        read_address(text)


def test_an_address_without_scheme_is_taken_as_https():
    assert read_address(" //cdn.example/x.jpg\n") == "https://cdn.example/x.jpg"


ADDRESS = st.from_regex(
    r"https?://[a-z]{1,5}\.example/[a-z0-9_]{0,4}(,[a-z_]{1,4}){0,2}", fullmatch=True
)


@settings(max_examples=60, deadline=None)
@given(st.lists(ADDRESS, min_size=1, max_size=5), st.sampled_from([",", ", "]))
def test_joined_addresses_come_apart_where_they_were_joined(addresses, joint):
    assert split_addresses(joint.join(addresses)) == addresses


@settings(max_examples=60, deadline=None)
@given(st.lists(st.text("ab,\\ ", min_size=1), unique=True))
def test_lists_with_escaped_commas_come_back(texts):
    texts = [one_line(text.replace("\\", "")) for text in texts]
    joined = ", ".join(text.replace(",", "\\,") for text in texts)
    assert split_list(joined) == list(dict.fromkeys(filter(None, texts)))
