"""Every snippet of README.md and docs/ runs, in order, as a reader would run it. CONTRIBUTING.md has the rules."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from shutil import which

import pytest

from support.curl import EXPECTS_ERRORS
from support.pages import PAGES, RECORDS, ROOT, Block, Command, anchors_of, blocks_of, matches
from support.processes import Installation, Running, fork_socket, run, started
from support.programs.forked import write_program

CURL = ROOT / "tests" / "support" / "curl.py"
SECONDS_MAX = 600.0

SHOWN_ONLY = {
    "make serve": "tests/e2e start the same server; setting up an environment needs the network",
    "make test": "this is it",
    "make check": "the whole repository's checks",
    "python3 -m venv .venv": "the folder has this environment already",
    ".venv/bin/pip install '/path/to/spacekey[server]'": "the same; setting up an environment needs the network",
}
"""Commands a page shows and this test does not run, with the reason."""

_LINK = re.compile(r"\]\((?!https?:)([^)#\s]*)(?:#([^)\s]+))?\)")

_FILE = re.compile(
    r"`((?:tests|docs|server|schema|resolvers|models|middleware|domain|examples|bench|release)/[\w/.-]*\w/?)`"
)

SERVER = re.compile(r"(?:^|/)uvicorn |spacekey\.examples\.(?:jobs|embedded)|spacekey serve")
"""A command that serves until it is stopped: it runs in the background until the page ends."""


@dataclass
class Reader:
    """A reader who follows a page in a folder of its own.

    :param variables: the environment that the reader starts with.
    """

    folder: Path
    variables: dict[str, str]
    addresses: dict[str, str]
    exported: dict[str, str]
    open: ExitStack

    @property
    def environ(self) -> dict[str, str]:
        path = f"{self.folder / 'bin'}{os.pathsep}{os.environ['PATH']}"
        own = {"PATH": path, "PYTHONPATH": str(self.folder), "COLUMNS": "200"}  # so that no cell of a table is broken
        return {**self.variables, **own, **self.exported}

    def follow(self, block: Block) -> None:
        """Do what the block shows."""
        if block.saved_as is not None:
            (self.folder / block.saved_as).write_text(self._here(block.text))
        if block.language == "console":
            for command in block.commands():
                self.type(command)

    def type(self, command: Command) -> None:
        """Run a command and compare what it prints."""
        if command.line in SHOWN_ONLY:
            return
        line = self._here(command.line)
        export = re.match(r"export (\w+)=", line)
        if SERVER.search(line):
            self._serve(line)
        elif export is not None:
            self._export(export[1], line)
        else:
            shown = self._run(line, errors=any('"code"' in one for one in command.printed))
            assert not command.printed or matches(command.printed, shown), f"$ {line}\n{shown}"

    def _serve(self, line: str) -> None:
        port = re.search(r"--port (\d+)", line)
        assert port is not None, f"name the port: {line}"
        shell = ["/bin/sh", "-c", "exec " + line.replace(port[0], "--port 0")]
        url = self.open.enter_context(
            started(shell, self.environ, self.folder / "said", r"(?:running|listens) on (http://\S+)", cwd=self.folder)
        )
        self.addresses[f"http://127.0.0.1:{port[1]}"] = url

    def _export(self, name: str, line: str) -> None:
        """What the reader exports, later commands see."""
        value = self._run(f'{line}\nprintf %s "${name}"')
        assert value, f"nothing was exported: {line}"
        self.exported[name] = value

    def _run(self, line: str, *, errors: bool = False) -> str:
        """What a command prints.

        :param errors: the page shows that the answer has GraphQL errors; unannounced ones are a failure.
        """
        done = subprocess.run(
            ["/bin/sh", "-c", line],
            cwd=self.folder,
            env={**self.environ, **({EXPECTS_ERRORS: "1"} if errors else {})},
            capture_output=True,
            text=True,
            timeout=SECONDS_MAX,
            check=False,
        )
        assert done.returncode == 0, f"$ {line}\n{done.stdout}{done.stderr}"
        return done.stdout

    def _here(self, text: str) -> str:
        """The text with the addresses that this run's servers really have."""
        for written, real in self.addresses.items():
            text = text.replace(written, real)
        return text

    def run_together(self, blocks: list[Block]) -> None:
        """Run all Python of the page as one program, warnings being errors."""
        program = self.folder / "page.py"
        program.write_text(self._here("\n\n".join(block.text for block in blocks)))
        done = run([sys.executable, "-W", "error", str(program)], self.environ, cwd=self.folder)
        assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture(scope="module")
def demo_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """One demo server for all pages; no page changes what another one shows."""
    folder = tmp_path_factory.mktemp("demo")
    pages = {"SPACEKEY_CORS_ORIGINS": "https://app.example.com"}
    installation = Installation(f"sqlite:///{folder}/data/spacekey.db", folder / "said", extra=pages)
    demo = installation.command("demo")
    with installation.serving() as url:
        yield Running(installation, url, demo)


@pytest.fixture
def reader(tmp_path: Path, demo_server: Running) -> Iterator[Reader]:
    """A reader in a folder like the repository's, with the database of the running demo server."""
    (tmp_path / "data").symlink_to(demo_server.installation.folder.parent / "data")
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    _install(tmp_path)
    variables = {**demo_server.installation.environ, "TOKEN": str(demo_server.demo["token"]["secret"])}
    del variables["SPACEKEY_DATABASE_URL"]  # commands find data/spacekey.db, and speak to a server where a page says so
    with ExitStack() as stack:
        yield Reader(tmp_path, variables, {"http://127.0.0.1:8000": demo_server.url}, {}, stack)


@pytest.fixture
def newcomer(tmp_path: Path) -> Iterator[Reader]:
    """A reader in an empty folder: no database, no product file, no server, no settings."""
    _install(tmp_path)
    variables = {name: value for name, value in os.environ.items() if not name.startswith("SPACEKEY_")}
    with ExitStack() as stack:
        yield Reader(tmp_path, variables, {}, {}, stack)


def _install(folder: Path) -> None:
    """Give a reader's folder the environment that pages call ``.venv``, and a ``curl``."""
    (folder / "bin").mkdir()
    curl = folder / "bin" / "curl"
    socket = fork_socket(os.environ)
    if socket is None:
        (folder / ".venv").symlink_to(sys.prefix)
        curl.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{CURL}" "$@"\n')
        curl.chmod(0o755)
        return
    programs = folder / ".venv" / "bin"
    programs.mkdir(parents=True)
    write_program(programs / "python", socket)
    for name in ("spacekey", "uvicorn"):
        write_program(programs / name, socket, str(Path(sys.prefix) / "bin" / name))
    write_program(curl, socket, str(CURL))


@pytest.mark.sampled(3)
@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_snippet_of_the_page_runs(page: Path, request: pytest.FixtureRequest) -> None:
    blocks = blocks_of(page)
    if not any(block.language in ("python", "console") for block in blocks):
        return
    if any(one.line.startswith("node ") for block in blocks for one in block.commands()) and which("node") is None:
        pytest.skip(f"SNIPPETS NOT RUN: {page.name} needs node; install it")
    reader: Reader = request.getfixturevalue("newcomer" if page.parent.name == "tutorial" else "reader")
    for block in blocks:
        reader.follow(block)
    python = [block for block in blocks if block.language == "python"]
    if python:
        reader.run_together(python)


@pytest.mark.parametrize("page", [*PAGES, *RECORDS], ids=lambda page: str(page.relative_to(ROOT)))
def test_links_between_pages_lead_somewhere(page: Path) -> None:
    for target, anchor in _LINK.findall(page.read_text(encoding="utf-8")):
        file = page.parent / target if target else page
        assert file.exists(), f"{page.name} links to {target}"
        assert not anchor or file.suffix != ".md" or anchor in anchors_of(file), f"{page.name}: {target}#{anchor}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_files_that_the_text_names_are_there(page: Path) -> None:
    """Written relative to the repository, or to `middleware/` on the page of its architecture."""
    base = ROOT / "middleware" if page.name == "architecture.md" else ROOT
    named = _FILE.findall(page.read_text(encoding="utf-8"))
    assert [name for name in named if not (ROOT / name).exists() and not (base / name).exists()] == []
