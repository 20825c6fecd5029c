"""The dashboard's modules, joined into scripts when the server starts, so that a page needs few requests.

Each module becomes a function that is called once, in the order of their imports. Where a page loads several scripts,
a later one takes the modules of earlier ones by their names, because scripts of a page share their top level. A source
map leads from each line back to the module that it comes from."""

from __future__ import annotations

import json
import re
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from spacekey.domain.errors import ConfigurationError

_IMPORT = re.compile(r'^import \{([\w\s,$]*)\} from "(\.[^"]+)";$', re.MULTILINE)
_EXPORT = re.compile(r"^export (?=(?:async function|function|class|const) (\w+))", re.MULTILINE)
_COMMENT = re.compile(r"^[ \t]*(?://[^\n]*|/\*\*(?:(?!\*/).)*\*/)\n|^[ \t]+", re.MULTILINE | re.DOTALL)
"""Comments on lines of their own, and indentation. Neither means anything in a module of the dashboard, and indentation
means nothing in its GraphQL documents either."""
_LOADER = "return import(address);"
"""The one import that runs later: that of a script which the server has joined too."""
_LINE = re.compile(r"[^\n]*\n|[^\n]+")
_BASE64 = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
_OTHER = re.compile(r"^(?:import|export)\b.*|\bimport\(.*|\bimport\.meta\b.*", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Script:
    """Modules joined into one script in strict mode.

    :ivar modules: the names of the modules, in order.
    :ivar sources: the text of each module, as it is written.
    :ivar lines: for each line of the script the module, line and column that it comes from, all counted from 0; None
        if it comes from no module.
    """

    text: str
    modules: tuple[str, ...]
    sources: tuple[str, ...]
    lines: tuple[tuple[int, int, int] | None, ...]

    def source_map(self) -> str:
        """Return the source map (ECMA-426). It holds the modules, so that tools need no other file."""
        mappings = []
        before = (0, 0, 0)
        for place in self.lines:
            if place is None:
                mappings.append("")
            else:
                mappings.append("A" + "".join(_vlq(one - other) for one, other in zip(place, before, strict=True)))
                before = place
        written = {
            "version": 3,
            "sourceRoot": "spacekey:///dashboard/",
            "sources": self.modules,
            "sourcesContent": self.sources,
            "names": [],
            "mappings": ";".join(mappings),
        }
        return json.dumps(written, ensure_ascii=False)


def joined_modules(folder: Path, entry: str, known: Collection[str] = ()) -> Script:
    """Return the module ``entry`` and all modules it imports, as one script.

    :param folder: the folder of the modules, which import each other by relative paths.
    :param known: names of modules in scripts that a page has loaded before this one.
    :raises ConfigurationError: a file is missing, modules import each other in a circle, or an import or export has
        an unknown form.
    """
    sources = _modules(folder, entry, known)
    texts = ['"use strict";\n']
    lines: list[tuple[int, int, int] | None] = [None]
    for number, (name, source) in enumerate(sources.items()):
        stripped, kept = _without_comments(source)
        text = _as_function(name, stripped)
        texts.append(text)
        lines += [None, *((number, line, column) for line, column in kept)]
        lines += [None] * (text.count("\n") - 1 - len(kept))
    return Script("".join(texts), tuple(sources), tuple(sources.values()), tuple(lines))


def module_variable(name: str) -> str:
    """Return the name by which a script knows a module."""
    return "module_" + re.sub(r"\W", "_", name)


def _modules(folder: Path, entry: str, known: Collection[str]) -> dict[str, str]:
    """Return the sources of ``entry`` and its imports by name, each after its own imports."""
    sources: dict[str, str] = {}

    def add(name: str, path: tuple[str, ...]) -> None:
        if name in path:
            raise ConfigurationError(f"dashboard: modules import each other in a circle: {' → '.join((*path, name))}")
        if name in sources or name in known:
            return
        source = _source(folder, name)
        for match in _IMPORT.finditer(source):
            add(_resolved(name, match[2]), (*path, name))
        sources[name] = source

    add(entry, ())
    return sources


def _without_comments(source: str) -> tuple[str, list[tuple[int, int]]]:
    """Return the source without comments and indentation, and the line and column at which each line of it stood."""
    pieces = []
    at = 0
    for match in _COMMENT.finditer(source):
        pieces.append((at, source[at : match.start()]))
        at = match.end()
    pieces.append((at, source[at:]))
    kept = []
    begins = True
    for start, piece in pieces:
        for match in _LINE.finditer(piece):
            if begins:
                offset = start + match.start()
                kept.append((source.count("\n", 0, offset), offset - source.rfind("\n", 0, offset) - 1))
            begins = match[0].endswith("\n")
    return "".join(piece for _, piece in pieces), kept


def _as_function(name: str, source: str) -> str:
    exported = _EXPORT.findall(source)
    source = _IMPORT.sub(lambda match: f"const {{{match[1]}}} = {module_variable(_resolved(name, match[2]))};", source)
    source = _EXPORT.sub("", source)
    strange = _OTHER.search(source.replace(_LOADER, ""))
    if strange is not None:
        raise ConfigurationError(f"dashboard/{name}: write this import or export another way: {strange[0]}")
    return f"const {module_variable(name)} = (() => {{\n{source}\nreturn {{ {', '.join(exported)} }};\n}})();\n"


def _vlq(number: int) -> str:
    """Return a number as base 64 of variable length, its sign in the last bit."""
    rest = abs(number) << 1 | (number < 0)
    digits = ""
    while True:
        rest, digit = rest >> 5, rest & 31
        digits += _BASE64[digit | (32 if rest else 0)]
        if not rest:
            return digits


def _source(folder: Path, name: str) -> str:
    try:
        return (folder / name).read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigurationError(f"dashboard/{name} cannot be read: {error.strerror}") from error


def _resolved(importer: str, wanted: str) -> str:
    parts: list[str] = list(PurePosixPath(importer).parent.parts)
    for part in PurePosixPath(wanted).parts:
        if part == "..":
            if not parts:
                raise ConfigurationError(f"dashboard/{importer}: {wanted} lies outside of the dashboard")
            parts.pop()
        else:
            parts.append(part)
    return "/".join(parts)
