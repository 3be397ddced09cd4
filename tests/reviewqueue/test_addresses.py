"""Which addresses may be followed, which pictures shown."""

import pytest

from reviewqueue.addresses import Address, is_picture, read_address


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("https://example.org/a?b=c", ("https://", "example.org", "/a?b=c")),
        ("http://example.org:8080", ("http://", "example.org:8080", "")),
        ("https://bank.example@evil.example/", ("https://bank.example@", "evil.example", "/")),
        ("https://a:b@c@evil.example", ("https://a:b@c@", "evil.example", "")),
        ("https://[::1]/x", ("https://", "[::1]", "/x")),
    ],
)
def test_address_tells_its_host(text: str, parts: tuple[str, str, str]) -> None:
    address = read_address(text)
    assert address == Address(*parts)
    assert address.whole == text


@pytest.mark.parametrize(
    "text",
    [
        "javascript:alert(1)",
        "JaVaScRiPt://example.org/%0aalert(1)",
        "data:text/html;base64,PHA+",
        "ftp://example.org/",
        "//example.org/",
        "https://",
        "https://[bad",
        "https://example.org:99999/",
        "https://example.org/ a",
        "https://example.org/\u202egnp.exe",
        "https://example.org\\@evil.example",
        " https://example.org",
        "https://example.org\n",
    ],
)
def test_anything_else_is_no_address(text: str) -> None:
    assert read_address(text) is None


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("data:image/png;base64,iVBORw0KGgo=", True),
        ("data:image/svg+xml;base64,PHN2Zz4=", False),
        ("https://images.example.org/a.png", True),
        ("https://IMAGES.example.org/a.png", True),
        ("http://images.example.org/a.png", False),
        ("https://images.example.org:444/a.png", False),
        ("https://me@images.example.org/a.png", False),
        ("https://x.images.example.org/a.png", False),
        ("https://foreign.example/images.example.org", False),
    ],
)
def test_picture_needs_an_allowed_host(text: str, shown: bool) -> None:
    assert is_picture(text, ["images.example.org"]) is shown
