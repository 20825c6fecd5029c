"""The JavaScript of the page about front ends, with the packages that it names, against ``spacekey serve``."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from support.pages import ROOT, Block, blocks_of

from .conftest import Target
from .test_npm_clients import STEP_SECONDS_MAX

pytestmark = pytest.mark.long

BLOCKS = [one for one in blocks_of(ROOT / "docs" / "how-to" / "front-ends.md") if one.language == "javascript"]
PRINTED = {
    "apollo.mjs": "WORKSPACE true\n[ 'INSUFFICIENT_SCOPE' ]\n",
    "urql.mjs": "WORKSPACE\n405\n",
    "relay.mjs": "true WORKSPACE\n",
}


def test_each_block_is_run() -> None:
    assert {one.saved_as for one in BLOCKS} == {*PRINTED, "codegen.config.cjs"}


def test_the_configuration_of_the_generator_is_the_one_that_the_suite_generates_with() -> None:
    (shown,) = (one for one in BLOCKS if one.saved_as == "codegen.config.cjs")
    assert shown.text.strip() == (Path(__file__).parent / "codegen.config.cjs").read_text("utf-8").strip()


@pytest.mark.parametrize("block", [one for one in BLOCKS if one.saved_as in PRINTED], ids=lambda one: one.saved_as)
def test_the_client_of_the_page_runs(block: Block, npm_folder: Path, target: Target) -> None:
    assert block.saved_as is not None
    file = npm_folder / f"page-{block.saved_as}"
    file.write_text(block.text.replace("http://127.0.0.1:8000/graphql", target.url), "utf-8")
    environ = {**os.environ, "TOKEN": target.secret}
    done = subprocess.run(
        ["node", file.name], cwd=npm_folder, env=environ, capture_output=True, text=True, timeout=STEP_SECONDS_MAX,
        check=False,
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (0, PRINTED[block.saved_as]), done.stderr
