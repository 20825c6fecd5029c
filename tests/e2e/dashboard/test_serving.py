"""How the dashboard's files are joined and sent. No browser is needed here."""

from __future__ import annotations

import base64
import gzip
import hashlib
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio

from spacekey.domain.errors import ConfigurationError
from spacekey.server.app import build_app
from spacekey.server.http.dashboard import EARLY, LATER, dashboard_files, packaged_dashboard
from spacekey.server.http.dashboard import ENTRY as APP
from spacekey.server.http.element import DEFINITION, ENTRY, MAP_PATH, PATH
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
    found = re.findall(
        r'(?:src|href|content)="(/assets/[^"]+)"(?: type="[^"]*")?(?: (?:data-)?integrity="sha384-([^"]+)")?', page
    )
    assert len(found) == 5
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
    text = joined_modules(folder, "app.js").text
    assert text.count("export const") == 0
    assert text.count("const one = 1;") == 1
    assert text.index("const one = 1;") < text.index("const twice =") < text.index("console.log")


def test_a_module_is_in_one_script_of_the_page() -> None:
    """What it keeps, such as who is signed in, is there once."""
    scripts = dashboard_files(packaged_dashboard()).scripts.values()
    assert len(scripts) == 3
    every = [name for script in scripts for name in script.modules]
    assert sorted(every) == sorted(set(every))


def test_a_script_has_no_module_of_an_earlier_one(tmp_path: Path) -> None:
    folder = folder_of(
        tmp_path,
        one="export const one = 1;\n",
        later='import { one } from "./one.js";\nexport const two = one + one;\n',
    )
    script = joined_modules(folder, "later.js", ["one.js"])
    assert script.modules == ("later.js",)
    assert "const {one} = module_one_js;" in script.text.replace("{ one }", "{one}")


BASE64 = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"


def numbers(segment: str) -> list[int]:
    """The numbers of one segment of a source map."""
    found, value, shift = [], 0, 0
    for letter in segment:
        digit = BASE64.index(letter)
        value |= (digit & 31) << shift
        shift += 5
        if not digit & 32:
            found.append(-(value >> 1) if value & 1 else value >> 1)
            value, shift = 0, 0
    return found


def origins(source_map: dict[str, Any]) -> list[tuple[str, int, int] | None]:
    """For each line of a script the module, line and column it comes from."""
    found: list[tuple[str, int, int] | None] = []
    source = line = column = 0
    for segment in source_map["mappings"].split(";"):
        if not segment:
            found.append(None)
            continue
        start, *steps = numbers(segment)
        assert start == 0
        source, line, column = (one + step for one, step in zip((source, line, column), steps, strict=True))
        found.append((source_map["sources"][source], line, column))
    return found


async def test_a_source_map_leads_from_each_line_to_its_module(client: httpx.AsyncClient) -> None:
    page = (await client.get("/")).text
    scripts = re.findall(r'"(/assets/(?:app|early|later)\.\w+\.js)"', page)
    assert len(scripts) == 3
    led = set()
    for path in [*scripts, PATH]:
        answer = await client.get(path)
        found = await client.get(str(answer.url.join(answer.headers["sourcemap"])))
        assert found.status_code == 200
        source_map = found.json()
        sources = dict(zip(source_map["sources"], source_map["sourcesContent"], strict=True))
        lines = answer.text.split("\n")
        places = origins(source_map)
        assert len(places) <= len(lines)
        for text, place in zip(lines, places, strict=False):
            if place is None:
                continue
            name, line, column = place
            written = sources[name].split("\n")[line]
            assert written[:column].strip() == ""
            if not written.startswith(("import ", "} from ")):
                assert written[column:].removeprefix("export ") == text, place
            led.add((name, line))
    for file in DASHBOARD.rglob("*.js"):
        for number, text in enumerate(file.read_text(encoding="utf-8").splitlines()):
            if re.match(r"\s*(?:const|let|return|if|await|throw|function)\b", text):
                assert (str(file.relative_to(DASHBOARD)), number) in led, f"{file}:{number + 1} is in no source map"


async def test_a_source_map_is_asked_for_again(client: httpx.AsyncClient) -> None:
    """A comment changes it and not its script."""
    path = re.findall(r"/assets/app\.\w+\.js", (await client.get("/")).text)[0]
    assert (await client.get(f"{path}.map")).headers["cache-control"] == "no-cache"
    assert (await client.get(MAP_PATH, headers={"Origin": "https://app.example.com"})).headers[
        "access-control-allow-origin"
    ] == "*"


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
        ({"app": "const one = import(address);\n"}, "write this import or export another way"),
    ],
)
def test_what_cannot_be_joined_is_refused_at_start_up(tmp_path: Path, modules: dict[str, str], complaint: str) -> None:
    with pytest.raises(ConfigurationError, match=re.escape(complaint)):
        joined_modules(folder_of(tmp_path, **modules), "app.js")


def test_every_module_is_used_and_has_one_idea() -> None:
    scripts = [joined_modules(DASHBOARD, name) for name in (EARLY, APP, LATER, ENTRY)]
    joined = {DEFINITION}.union(*(script.modules for script in scripts))
    for file in DASHBOARD.rglob("*.js"):
        text = file.read_text(encoding="utf-8")
        assert str(file.relative_to(DASHBOARD)) in joined, file
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
    found = []
    for name in joined_modules(DASHBOARD, ENTRY).modules:
        if name in HAS_AN_ELEMENT_IN_MIND:
            continue
        file = DASHBOARD / name
        code = re.sub(r"(?m)^\s*(?://|/?\*).*$", "", file.read_text(encoding="utf-8"))
        found += [f"{name}: {match[0]}" for match in WINDOW_ONLY.finditer(code) if match[0] != "document.trim"]
    assert found == []


async def test_every_custom_property_that_the_guide_names_is_one_of_the_elements(client: httpx.AsyncClient) -> None:
    script = (await client.get(PATH)).text
    guide = (DASHBOARD.parent / "docs" / "how-to" / "embed-the-key-page.md").read_text(encoding="utf-8")
    named = set(re.findall(r"--spacekey-[\w-]+", guide))
    assert len(named) > 15
    assert {one for one in named if f"var({one}," not in script} == set()
