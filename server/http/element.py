"""The custom element ``<spacekey-tokens>``: one script for pages of hosts, made of the dashboard's modules and styles.

The script is public and the same for everyone, so any page may load it. Its address stays the same, and browsers ask
for a new version once an hour. It stands in pages whose policies, styles and fonts are not ours: its styles are a
constructed stylesheet in a shadow root, and measure the element where the dashboard's measure the window.
"""

from __future__ import annotations

import json
import re
from functools import lru_cache
from pathlib import Path

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from spacekey.middleware.routing.endpoints import public

from .dashboard import JAVASCRIPT, STYLES, answer_file, compressed_file, packaged_dashboard, source_map_file
from .scripts import Script, joined_modules, module_variable

PATH = "/elements/spacekey-tokens.js"
MAP_PATH = f"{PATH}.map"
ENTRY = "element/tokens.js"
DEFINITION = "element/define.js"
STYLE = "element/element.css"
TOP_LAYER = ("dialog.css",)
"""Styles of what lies above the page, which the window bounds and not the element."""

_HEADERS = {
    "Access-Control-Allow-Origin": "*",
    "Cache-Control": "public, max-age=3600",
    "Cross-Origin-Resource-Policy": "cross-origin",
}
_TOKEN = re.compile(r"--([\w-]+):\s*([^;{}]+);")
_THEMED_ROOT = re.compile(r":root\[[^]]*\]\s*\{[^}]*\}")
_SCHEME = re.compile(r"color-scheme:[^;}]*;")
_MAIN = re.compile(r"(?<![\w.#-])main(?=[\s>:,{])")
_REM = re.compile(r"(?<![\w.])(\d*\.?\d+)rem\b")


def element_routes(folder: Path | None = None) -> list[BaseRoute]:
    """Return the routes of the element and of its source map. The files are read and compressed now.

    :param folder: the dashboard's folder; None for the packaged one.
    :raises ConfigurationError: the modules cannot be joined.
    """
    script = element_script(folder if folder is not None else packaged_dashboard())
    file = compressed_file("spacekey-tokens", "js", JAVASCRIPT, script.text)

    @public
    async def element(request: Request) -> Response:
        return answer_file(request, file, {**_HEADERS, "SourceMap": MAP_PATH.rpartition("/")[2]})

    @public
    async def source_map(request: Request) -> Response:
        return answer_file(request, source_map_file(script), _HEADERS)

    return [Route(PATH, element, methods=["GET"]), Route(MAP_PATH, source_map, methods=["GET"])]


@lru_cache(maxsize=4)
def element_script(folder: Path) -> Script:
    """Read the element, once in a process, as the files of a package do not change while it runs.

    Each element runs the modules for itself, so that what they keep, such as the session, belongs to one element.

    :raises ConfigurationError: the modules cannot be joined.
    """
    styles = "".join(element_style(name, (folder / "style" / name).read_text(encoding="utf-8")) for name in STYLES)
    styles += (folder / STYLE).read_text(encoding="utf-8")
    joined = joined_modules(folder, ENTRY)
    before = f"const STYLES = {json.dumps(styles)};\nconst instance = () => {{\n"
    between = f"return {module_variable(ENTRY)};\n}};\n"
    definition = (folder / DEFINITION).read_text(encoding="utf-8")
    return Script(
        before + joined.text + between + definition,
        (*joined.modules, DEFINITION),
        (*joined.sources, definition),
        (
            *[None] * before.count("\n"),
            *joined.lines,
            *[None] * between.count("\n"),
            *((len(joined.modules), line, 0) for line in range(definition.count("\n"))),
        ),
    )


def element_style(name: str, text: str) -> str:
    """Return one of the dashboard's stylesheets as it is in a shadow root.

    Each of its custom properties takes the value of the host page's property of the same name with ``--spacekey-`` in
    front, if there is one.
    """
    text = _THEMED_ROOT.sub("", text)
    text = _SCHEME.sub("", text)
    text = _TOKEN.sub(r"--\1: var(--spacekey-\1, \2);", text)
    text = re.sub(r"(?<![\w.#-])(?::root|html|body)(?=[\s,{])", ":host", text)
    text = _MAIN.sub(".element", text)
    text = _REM.sub(r"calc(\1 * var(--text-size))", text)
    return text if name in TOP_LAYER else text.replace("@media (max-width:", "@container (max-width:")
