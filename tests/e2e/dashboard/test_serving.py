"""How the dashboard's files are joined and sent. No browser is needed here."""

from __future__ import annotations

import base64
import gzip
import hashlib
import re
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
import pytest_asyncio

from spacekey.domain.errors import ConfigurationError
from spacekey.server.app import build_app
from spacekey.server.http.element import DEFINITION, ENTRY, PATH
from spacekey.server.http.scripts import joined_modules
from spacekey.server.settings import Settings

DASHBOARD = Path(__file__).resolve().parents[3] / "dashboard"
LINE_LENGTH_MAX = 120


@pytest_asyncio.fixture
async def client(tmp_path: Path) -> AsyncIterator[httpx.AsyncClient]:
    """The server's app, asked directly."""
    app = build_app(Settings(database_url=f"sqlite:///{tmp_path}/x.db"))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://testserver") as opened:
        yield opened


def folder_of(tmp_path: Path, **modules: str) -> Path:
    """A folder with these modules."""
    for name, text in modules.items():
        (tmp_path / f"{name}.js").write_text(text, encoding="utf-8")
    return tmp_path


@pytest.mark.parametrize("path", ["/", "/account", "/invitation", "/workspace/ws_1/access-tokens", "/space/x/tokens"])
async def test_every_page_is_the_same_document_under_a_strict_policy(client: httpx.AsyncClient, path: str) -> None:
    answer = await client.get(path)
    assert answer.status_code == 200
    policy = dict(part.partition(" ")[::2] for part in answer.headers["content-security-policy"].split("; "))
    assert policy["default-src"] == "'none'"
    assert policy["script-src"] == policy["style-src"] == policy["connect-src"] == "'self'"
    assert policy["require-trusted-types-for"] == "'script'"
    assert policy["form-action"] == policy["base-uri"] == policy["frame-ancestors"] == "'none'"
    assert "unsafe" not in answer.headers["content-security-policy"]
    assert answer.headers["cache-control"] == "no-cache"
    assert not re.search(r"<script(?![^>]* src=)|<style|\son\w+=|\sstyle=", answer.text)


async def test_files_are_named_by_their_content_and_kept_for_ever(client: httpx.AsyncClient) -> None:
    page = (await client.get("/")).text
    found = re.findall(r'(?:src|href)="(/assets/[^"]+)"(?: type="[^"]*")?(?: integrity="sha384-([^"]+)")?', page)
    assert len(found) == 4
    for path, integrity in found:
        answer = await client.get(path)
        assert answer.status_code == 200
        assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
        digest = hashlib.sha384(answer.content).digest()
        assert digest.hex()[:16] in path
        assert path.endswith(".svg") or integrity == base64.b64encode(digest).decode()


@pytest.mark.parametrize(
    ("accepted", "compressed"), [("gzip, deflate, br", True), ("br", False), ("gzip;q=0, br", False), ("", False)]
)
async def test_compression_is_agreed_on(client: httpx.AsyncClient, accepted: str, compressed: bool) -> None:
    path = re.findall(r"/assets/app\.\w+\.js", (await client.get("/")).text)[0]
    async with client.stream("GET", path, headers={"Accept-Encoding": accepted}) as answer:
        raw = b"".join([chunk async for chunk in answer.aiter_raw()])
    assert (answer.headers.get("content-encoding") == "gzip") is compressed
    assert answer.headers["vary"] == "Accept-Encoding"
    text = gzip.decompress(raw) if compressed else raw
    assert text.startswith(b'"use strict";')


async def test_an_unchanged_page_is_not_sent_again(client: httpx.AsyncClient) -> None:
    tag = (await client.get("/")).headers["etag"]
    again = await client.get("/", headers={"If-None-Match": tag})
    assert again.status_code == 304
    assert again.content == b""


@pytest.mark.parametrize("path", ["/assets/app.0000000000000000.js", "/assets/../app.js", "/app.js", "/somewhere"])
async def test_other_addresses_lead_nowhere(client: httpx.AsyncClient, path: str) -> None:
    assert (await client.get(path)).status_code == 404


def test_modules_are_joined_in_the_order_of_their_imports(tmp_path: Path) -> None:
    folder = folder_of(
        tmp_path,
        app='import { twice } from "./two.js";\nimport { one } from "./one.js";\nconsole.log(twice, one);\n',
        two='import { one } from "./one.js";\nexport const twice = one + one;\n',
        one="export const one = 1;\n",
    )
    text = joined_modules(folder, "app.js")
    assert text.count("export const") == 0
    assert text.count("const one = 1;") == 1
    assert text.index("const one = 1;") < text.index("const twice =") < text.index("console.log")


@pytest.mark.parametrize(
    ("modules", "complaint"),
    [
        ({"app": 'import { a } from "./app.js";\n'}, "in a circle: app.js → app.js"),
        ({"app": 'import { a } from "./gone.js";\n'}, "gone.js cannot be read"),
        ({"app": 'import { a } from "../../etc/passwd";\n'}, "lies outside"),
        ({"app": 'import all from "./one.js";\n', "one": ""}, "write this import or export another way: import all"),
        ({"app": "export default 1;\n"}, "write this import or export another way: export default"),
        ({"app": "export let state = 1;\n"}, "write this import or export another way: export let"),
        ({"app": 'const one = import("./one.js");\n'}, "write this import or export another way"),
    ],
)
def test_what_cannot_be_joined_is_refused_at_start_up(tmp_path: Path, modules: dict[str, str], complaint: str) -> None:
    with pytest.raises(ConfigurationError, match=re.escape(complaint)):
        joined_modules(folder_of(tmp_path, **modules), "app.js")


def test_every_module_is_used_and_has_one_idea() -> None:
    joined = "".join(joined_modules(DASHBOARD, name) for name in ("app.js", "early.js", ENTRY))
    for file in DASHBOARD.rglob("*.js"):
        text = file.read_text(encoding="utf-8")
        assert (
            file == DASHBOARD / DEFINITION
            or f"module_{re.sub(r'[^a-zA-Z0-9]', '_', str(file.relative_to(DASHBOARD)))}" in joined
        ), file
        assert text.startswith("// "), f"{file} does not say what it is"
        assert text.count("\n") <= 200 or file.parent.name == "texts", f"{file} is long"


def test_no_line_is_longer_than_those_of_the_other_sources() -> None:
    files = [file for kind in ("js", "css", "html") for file in DASHBOARD.rglob(f"*.{kind}")]
    assert {file.suffix for file in files} == {".js", ".css", ".html"}
    long = [
        f"{file.relative_to(DASHBOARD)}:{number} has {len(line)} characters"
        for file in files
        for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), 1)
        if len(line) > LINE_LENGTH_MAX
    ]
    assert long == []


@pytest.mark.parametrize(
    "strange", ["innerHTML", "outerHTML", "insertAdjacentHTML", "eval(", "sessionStorage", "https://"]
)
def test_no_module_does_what_the_policy_is_there_to_stop(strange: str) -> None:
    found = [str(file) for file in DASHBOARD.rglob("*.js") if strange in file.read_text(encoding="utf-8")]
    assert found == []


async def test_the_element_is_one_script_that_pages_of_all_origins_may_load_and_keep(client: httpx.AsyncClient) -> None:
    answer = await client.get(PATH, headers={"Origin": "https://app.example.com"})
    assert answer.headers["content-type"] == "text/javascript; charset=utf-8"
    assert answer.headers["access-control-allow-origin"] == "*"
    assert answer.headers["cross-origin-resource-policy"] == "cross-origin"
    assert answer.headers["cache-control"] == "public, max-age=3600"
    assert "access-control-allow-credentials" not in answer.headers
    again = await client.get(PATH, headers={"If-None-Match": answer.headers["etag"]})
    assert (again.status_code, again.headers["access-control-allow-origin"]) == (304, "*")


WINDOW_ONLY = re.compile(
    r"\b(?:document\.(?!createElement)\w+|localStorage|sessionStorage|history\.|location\.|window\.|indexedDB|cookie\b)"
)
HAS_AN_ELEMENT_IN_MIND = {"base/surroundings.js", "base/choices.js", "base/router.js", "base/base-path.js"}


def test_modules_of_the_element_reach_for_nothing_of_the_page_around_it() -> None:
    """The page is a host's: its ids, its focus, its address and its storage are not ours."""
    joined = joined_modules(DASHBOARD, ENTRY)
    found = []
    for file in DASHBOARD.rglob("*.js"):
        name = str(file.relative_to(DASHBOARD))
        if f"const module_{re.sub(r'[^a-zA-Z0-9]', '_', name)} =" not in joined or name in HAS_AN_ELEMENT_IN_MIND:
            continue
        code = re.sub(r"(?m)^\s*(?://|/?\*).*$", "", file.read_text(encoding="utf-8"))
        found += [f"{name}: {match[0]}" for match in WINDOW_ONLY.finditer(code) if match[0] != "document.trim"]
    assert found == []


async def test_every_custom_property_that_the_guide_names_is_one_of_the_elements(client: httpx.AsyncClient) -> None:
    script = (await client.get(PATH)).text
    guide = (DASHBOARD.parent / "docs" / "how-to" / "embed-the-key-page.md").read_text(encoding="utf-8")
    named = set(re.findall(r"--spacekey-[\w-]+", guide))
    assert len(named) > 15
    assert {one for one in named if f"var({one}," not in script} == set()
