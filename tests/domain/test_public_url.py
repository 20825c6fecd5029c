"""The URL by which browsers know a server: how it may be written, and the URLs that are made of it."""

from __future__ import annotations

from urllib.parse import parse_qs, unquote, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spacekey.domain.errors import ConfigurationError
from spacekey.domain.public_url import PublicUrl, public_url

NAMES = st.text(st.characters(exclude_categories=["Cs", "Cc", "Zs", "Cn"], exclude_characters="/\\?#%;"), min_size=1)


@pytest.mark.parametrize(
    ("written", "origin", "base_path"),
    [
        ("https://keys.example.com", "https://keys.example.com", ""),
        ("https://Keys.Example.com/", "https://keys.example.com", ""),
        ("http://localhost:8000", "http://localhost:8000", ""),
        ("https://example.com/keys", "https://example.com", "/keys"),
        ("https://Example.com/Keys/", "https://example.com", "/Keys"),
        ("https://example.com/a/b%20c", "https://example.com", "/a/b%20c"),
        ("https://example.com/%6beys", "https://example.com", "/keys"),
        ("https://example.com/schlüssel", "https://example.com", "/schl%C3%BCssel"),
        ("https://[::1]:8443/keys", "https://[::1]:8443", "/keys"),
    ],
)
def test_it_is_an_origin_and_a_path_in_one_spelling(written: str, origin: str, base_path: str) -> None:
    assert public_url(written) == PublicUrl(origin, base_path)


@pytest.mark.parametrize(
    "written",
    [
        "",
        "keys.example.com",
        "/keys",
        "ftp://keys.example.com",
        "https://",
        "https://keys.example.com:port",
        "https://keys.example.com:",
        "https://user@keys.example.com",
        "https://example.com/keys?x=1",
        "https://example.com/keys#top",
        "https://example.com/keys?",
        "https://example.com//keys",
        "https://example.com/keys//",
        "https://example.com/a/../keys",
        "https://example.com/./keys",
        "https://example.com/%2e%2e/keys",
        "https://example.com/a%2Fb",
        "https://example.com/a%5Cb",
        "https://example.com/a\\b",
        "https://example.com/%zz",
        "https://example.com/%ff",
        "https://example.com/%00",
        "https://example.com/a b",
        "https://example.com/a\nb",
        "https://[::1/keys",
    ],
)
def test_anything_else_is_refused_with_what_to_write(written: str) -> None:
    with pytest.raises(ConfigurationError, match=r"such as https://keys\.example\.com or https://example\.com/keys"):
        public_url(written)


@given(st.lists(NAMES.filter(lambda name: name not in (".", "..") and name.isprintable()), max_size=3), st.text())
def test_urls_of_pages_are_below_it_whatever_its_path_is_called(names: list[str], code: str) -> None:
    base = "".join(f"/{name}" for name in names)
    url = urlsplit(public_url(f"https://example.com{base}").url("/invitation", {"code": code}))
    assert unquote(url.path) == f"{base}/invitation"
    assert parse_qs(url.query, keep_blank_values=True) == {"code": [code]}
    assert (url.scheme, url.netloc, url.fragment) == ("https", "example.com", "")
