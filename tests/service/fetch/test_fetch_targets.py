import pytest

from service.errors import ImageUrlNotAllowed
from service.fetch.targets import HostRule, Rules


def rules(*hosts: str, loopback: bool = False) -> Rules:
    return Rules([HostRule.read(host) for host in hosts], loopback=loopback)


@pytest.mark.parametrize(
    ("url", "asked"),
    [
        ("https://example.com", "https://example.com/"),
        ("HTTPS://Example.COM/A.jpg?w=1#part", "https://example.com/A.jpg?w=1"),
        ("http://example.com:80/a", "http://example.com/a"),
        ("http://example.com:/a", "http://example.com/a"),
        ("https://example.com/a%20b/é.jpg", "https://example.com/a%20b/%C3%A9.jpg"),
        ("https://example.com?x=é/?&y=a%26b", "https://example.com/?x=%C3%A9/?&y=a%26b"),
        ("https://bücher.example/", "https://xn--bcher-kva.example/"),
        ("https://1.1.1.1/a", "https://1.1.1.1/a"),
        ("https://[2606:4700::1111]/a", "https://[2606:4700::1111]/a"),
        ("https://my_bucket.s3.example.com/a", "https://my_bucket.s3.example.com/a"),
        ("https://example.com#@127.0.0.1/", "https://example.com/"),
        ("https://example.com/a//b/../c", "https://example.com/a//b/../c"),
    ],
)
def test_a_url_is_asked_for_as_it_is_written(url: str, asked: str):
    target = rules().target(url)
    assert target.url == asked
    assert rules().target(target.url) == target


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("ftp://example.com/a", "scheme 'ftp' is not fetched; allowed: https, http"),
        ("file:///etc/passwd", "scheme 'file'"),
        ("gopher://example.com/_x", "scheme 'gopher'"),
        ("data:image/png;base64,AAAA", "scheme 'data'"),
        ("//example.com/a", "scheme ''"),
        ("example.com/a.jpg", "scheme ''"),
        ("https:example.com", "names no host"),
        ("https:///a", "names no host"),
        ("https://:443/a", "is not a name"),
        ("https://user@example.com/a", "user or password"),
        ("https://user:secret@example.com/a", "user or password"),
        ("https://@example.com/a", "user or password"),
        ("https://example.com:8443/a", "port 8443 is not allowed; allowed: 443"),
        ("http://example.com:443/a", "port 443 is not allowed; allowed: 80"),
        ("http://example.com:99999/a", "the port is not a number"),
        ("http://example.com:0/a", "port 0"),
        ("http://example.com:8o/a", "the port is not a number"),
        (" https://example.com/", "a blank, a backslash"),
        ("https://exa\tmple.com/", "a blank, a backslash"),
        ("https://example.com/a b", "a blank, a backslash"),
        ("https://example.com/\r\nX: y", "a blank, a backslash"),
        ("https://127.0.0.1\\@example.com/", "a blank, a backslash"),
        ("https://example.com./a", "is not a name"),
        ("https://exa..mple.com/a", "is not a name"),
        ("https://-a.example.com/", "is not a name"),
        ("https://" + "a" * 64 + ".com/", "is not a name"),
        ("https://" + "a.b" * 90 + ".com/", "is not a name"),
        ("https://%31%32%37.0.0.1/", "is not written plainly"),
        ("https://[fe80::1%25eth0]/", "is not written plainly"),
        ("https://[example.com]/", "cannot be read"),
        ("https://[::1/", "cannot be read"),
        ("https://0177.0.0.1/", "four decimal parts"),
        ("https://0x7f.0.0.1/", "four decimal parts"),
        ("https://0x7f000001/", "four decimal parts"),
        ("https://2130706433/", "four decimal parts"),
        ("https://127.1/", "four decimal parts"),
        ("https://1.1.1.1.1/", "four decimal parts"),
        ("https://256.1.1.1/", "four decimal parts"),
        ("https://a\u2100b.example/", "cannot be read"),
        ("https://a\u200d.example/", "RFC 5891"),
        ("https://\ud800.example/", "cannot be read"),
        ("", "scheme ''"),
    ],
)
def test_what_can_be_misread_is_refused(url: str, said: str):
    with pytest.raises(ImageUrlNotAllowed) as refused:
        rules().target(url)
    assert said in refused.value.detail
    assert "secret" not in refused.value.detail


@pytest.mark.parametrize("url", ["https://①②⑦.⓪.⓪.①/", "https://127。0。0。1/"])
def test_digits_and_dots_of_other_scripts_become_the_address_that_is_checked(url: str):
    assert rules().target(url).host == "127.0.0.1"
    assert not rules().allows_address("127.0.0.1")


def test_only_hosts_on_the_list_are_asked_where_there_is_one():
    listed = rules("example.com", "*.cdn.example")
    for host in ("example.com", "EXAMPLE.com", "a.cdn.example", "a.b.cdn.example"):
        listed.target(f"https://{host}/")
    for host in ("www.example.com", "cdn.example", "evilcdn.example", "example.com.evil.example"):
        with pytest.raises(ImageUrlNotAllowed, match="is not one of those"):
            listed.target(f"https://{host}/")


def test_a_port_on_the_list_is_the_hosts_only_one():
    listed = rules("example.com:8443", "*.example.com")
    assert listed.target("https://example.com:8443/").authority == "example.com:8443"
    for url in ("https://example.com/", "https://a.example.com:8443/"):
        with pytest.raises(ImageUrlNotAllowed, match="port"):
            listed.target(url)


def test_a_list_opens_no_address_that_is_not_public():
    assert not rules("10.0.0.1").allows_address("10.0.0.1")


def test_tests_may_ask_this_machine_at_any_port_and_no_other():
    local = rules(loopback=True)
    assert local.target("http://127.0.0.1:5000/").port == 5000
    assert local.allows_address("127.0.0.1")
    assert not local.allows_address("10.0.0.1")


@pytest.mark.parametrize(
    ("location", "asked"),
    [
        ("/b", "https://example.com/b"),
        ("b?x=1", "https://example.com/dir/b?x=1"),
        ("//other.example/b", "https://other.example/b"),
        ("https://other.example/", "https://other.example/"),
    ],
)
def test_a_redirect_goes_on_from_where_it_was_sent(location: str, asked: str):
    origin = rules().target("https://example.com/dir/a")
    assert rules().redirected(location, origin).url == asked


@pytest.mark.parametrize(
    ("location", "said"),
    [
        ("http://example.com/", "from https to http"),
        ("file:///etc/passwd", "example.com redirects: scheme 'file'"),
        ("https://user@other.example/", "user or password"),
        ("https://other.example:22/", "port 22"),
        ("https://0x7f.1/", "four decimal parts"),
        ("//[::1", "no readable URL"),
    ],
)
def test_a_redirect_is_checked_like_the_first_url(location: str, said: str):
    with pytest.raises(ImageUrlNotAllowed, match=said.replace("[", r"\[")):
        rules().redirected(location, rules().target("https://example.com/dir/a"))


def test_a_redirect_from_http_to_https_is_followed():
    origin = rules().target("http://example.com/")
    assert rules().redirected("https://example.com/", origin).scheme == "https"
