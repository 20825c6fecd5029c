"""The dashboard's modules, joined into scripts when the server starts, so that a page needs few requests."""

from __future__ import annotations

import re
from pathlib import Path, PurePosixPath

from spacekey.domain.errors import ConfigurationError

_IMPORT = re.compile(r'^import \{([\w\s,$]*)\} from "(\.[^"]+)";$', re.MULTILINE)
_EXPORT = re.compile(r"^export (?=(?:async function|function|class|const) (\w+))", re.MULTILINE)
_COMMENT = re.compile(r"^[ \t]*(?://[^\n]*|/\*\*(?:(?!\*/).)*\*/)\n|^[ \t]+", re.MULTILINE | re.DOTALL)
"""Comments on lines of their own, and indentation. Neither means anything in a module of the dashboard, and indentation
means nothing in its GraphQL documents either."""
_OTHER = re.compile(r"^(?:import|export)\b.*|\bimport\(.*|\bimport\.meta\b.*", re.MULTILINE)


def joined_modules(folder: Path, entry: str) -> str:
    """Return the module ``entry`` and all modules it imports, as one script in strict mode.

    :param folder: the folder of the modules, which import each other by relative paths.
    :raises ConfigurationError: a file is missing, modules import each other in a circle, or an import or export has
        an unknown form.
    """
    parts = [_as_function(name, source) for name, source in _modules(folder, entry).items()]
    return '"use strict";\n' + "".join(parts)


def _modules(folder: Path, entry: str) -> dict[str, str]:
    """Return the sources of ``entry`` and its imports by name, each after its own imports."""
    sources: dict[str, str] = {}

    def add(name: str, path: tuple[str, ...]) -> None:
        if name in path:
            raise ConfigurationError(f"dashboard: modules import each other in a circle: {' → '.join((*path, name))}")
        if name in sources:
            return
        source = _source(folder, name)
        for match in _IMPORT.finditer(source):
            add(_resolved(name, match[2]), (*path, name))
        sources[name] = source

    add(entry, ())
    return sources


def _as_function(name: str, source: str) -> str:
    source = _COMMENT.sub("", source)
    exported = _EXPORT.findall(source)
    source = _IMPORT.sub(lambda match: f"const {{{match[1]}}} = {_variable(_resolved(name, match[2]))};", source)
    source = _EXPORT.sub("", source)
    strange = _OTHER.search(source)
    if strange is not None:
        raise ConfigurationError(f"dashboard/{name}: write this import or export another way: {strange[0]}")
    return f"const {_variable(name)} = (() => {{\n{source}\nreturn {{ {', '.join(exported)} }};\n}})();\n"


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


def _variable(name: str) -> str:
    return "module_" + re.sub(r"\W", "_", name)
