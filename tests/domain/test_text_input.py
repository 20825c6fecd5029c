"""Text that people hand over is read as it was meant, however it was saved, or refused with what to do."""

from __future__ import annotations

import codecs
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spacekey.domain.errors import ConfigurationError, ProductError
from spacekey.domain.product_file import load_product
from spacekey.domain.text_input import decode_text, one_line, read_file

ENCODED = {
    "utf-8": lambda text: text.encode(),
    "utf-8 with a mark": lambda text: codecs.BOM_UTF8 + text.encode(),
    "utf-16 little-endian": lambda text: codecs.BOM_UTF16_LE + text.encode("utf-16-le"),
    "utf-16 big-endian": lambda text: codecs.BOM_UTF16_BE + text.encode("utf-16-be"),
}
LINE_ENDS = ["", "\n", "\r\n"]
LINES = st.text(st.characters(exclude_categories=["Cc", "Cs"], exclude_characters="\ufeff"), min_size=1)
EXAMPLE = Path(__file__).parents[2] / "examples" / "spooled.toml"


@given(LINES, st.sampled_from(sorted(ENCODED)), st.sampled_from(LINE_ENDS))
def test_one_line_is_the_same_however_it_was_saved(line: str, encoding: str, end: str) -> None:
    assert one_line(decode_text(ENCODED[encoding](line + end), "here"), "here") == line


@given(st.binary(max_size=40))
def test_bytes_are_text_or_refused_with_a_remedy(raw: bytes) -> None:
    refused = None
    text = ""
    try:
        text = one_line(decode_text(raw, "here"), "here")
    except ConfigurationError as error:
        refused = str(error)
    assert refused is None or refused.startswith("here: ")
    text.encode()  # no half of a surrogate pair
    assert not set(text) & {"\0", "\r", "\n", "\x1b"}


@pytest.mark.parametrize(
    ("raw", "remedy"),
    [
        (b"caf\xe9", "here: is not UTF-8 at byte 3; save it as UTF-8"),
        (codecs.BOM_UTF16_LE + b"a", "here: is not UTF-16 at byte"),
        (codecs.BOM_UTF32_LE + "a".encode("utf-32-le"), "here: is UTF-32; save it as UTF-8"),
        ("a".encode("utf-16-le"), "here: holds a NUL character"),
        (b"one\ntwo\n", "here: holds several lines"),
        (b"one\rtwo", "here: holds several lines"),
        (b"one\n\n", "here: holds several lines"),
        (b"\x1b[31mred", "here: holds control characters"),
    ],
)
def test_text_that_is_no_single_line_says_what_to_do(raw: bytes, remedy: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        one_line(decode_text(raw, "here"), "here")
    assert str(caught.value).startswith(remedy)


@pytest.mark.parametrize("encoding", sorted(ENCODED))
def test_a_product_is_the_same_however_it_was_saved(encoding: str, tmp_path: Path) -> None:
    file = tmp_path / "spooled.toml"
    file.write_bytes(ENCODED[encoding](EXAMPLE.read_text(encoding="utf-8").replace("\n", "\r\n")))
    assert load_product(file) == load_product(EXAMPLE)


def test_a_product_in_another_encoding_names_the_file(tmp_path: Path) -> None:
    file = tmp_path / "latin.toml"
    file.write_bytes(b'title = "caf\xe9"')
    with pytest.raises(ProductError, match="is not UTF-8 at byte 12") as caught:
        load_product(file)
    assert caught.value.file == str(file)


def test_a_file_that_cannot_be_read_says_why(tmp_path: Path) -> None:
    for path, why in [
        (tmp_path / "missing", "No such file"),
        (tmp_path, "Is a directory"),
        (Path("a\0b"), "no file can have this name"),
    ]:
        with pytest.raises(ConfigurationError, match=why):
            read_file(path, "SPACEKEY_X_FILE")
    large = tmp_path / "large"
    large.write_bytes(b"x" * 101)
    with pytest.raises(ConfigurationError, match="over 100 bytes"):
        read_file(large, "large", bytes_max=100)
