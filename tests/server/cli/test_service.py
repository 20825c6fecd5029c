"""``spacekey introspector``, and what ``spacekey check`` says of introspectors: the same as the server at its start."""

from __future__ import annotations

import pytest

from spacekey.domain.errors import ConfigurationError
from spacekey.server.build import build_parts
from spacekey.server.settings import Settings
from support.cli import Cli

ENTRY = f"jobs-api={{}}:{'0' * 64}"


@pytest.mark.parametrize(
    ("product", "said"),
    [
        ("emitt", "Did you mean 'emit'?"),
        ("nope", "There are 'emit', 'guard', 'spooled' and 'teamspace'."),
    ],
)
def test_an_entry_for_a_product_that_is_not_loaded_is_refused(missing: Cli, product: str, said: str) -> None:
    refused = missing.error("introspector", "jobs-api", "--product", product, code=2)
    assert f"--product: Unknown product '{product}'. {said}" in refused
    assert "SPACEKEY_PRODUCTS" in refused


def test_an_entry_is_made_while_the_one_in_the_setting_is_wrong(missing: Cli) -> None:
    wrong = Cli({**missing.settings, "SPACEKEY_INTROSPECTORS": "nonsense"})
    assert wrong.one("introspector", "jobs-api", "--product", "emit")["id"] == "app_jobs-api"


@pytest.mark.parametrize(
    ("product", "said"),
    [
        ("emitt", "Did you mean 'emit'?"),
        ("nope", "There are 'emit', 'guard', 'spooled' and 'teamspace'."),
    ],
)
def test_check_finds_what_the_server_would_not_start_with(filled: Cli, product: str, said: str) -> None:
    setting = {"SPACEKEY_INTROSPECTORS": ENTRY.format(product)}
    with pytest.raises(ConfigurationError, match=f"'jobs-api' is for the product '{product}'.*{said}"):
        build_parts(Settings.from_environ({**filled.settings, **setting}))
    result = Cli({**filled.settings, **setting, "COLUMNS": "300"})("check", code=1)
    assert "introspectors" in result.stdout
    assert f"'jobs-api' is for the product '{product}', which is not loaded. {said}" in result.stdout


def test_check_says_that_introspectors_are_all_right(filled: Cli) -> None:
    good = Cli({**filled.settings, "SPACEKEY_INTROSPECTORS": ENTRY.format("emit")})
    [found] = [one for one in good.lines("check") if one["what"] == "introspectors"]
    assert (found["result"], found["detail"]) == ("ok", "1, each for a loaded product")
