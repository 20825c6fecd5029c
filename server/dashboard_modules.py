"""The dashboard's ES modules as one script, so that a first visit stays within a handful of requests.

No bundler and nothing to build: each module becomes a function that is called once, in the order of their imports.
That is why modules keep to a small part of the language's import forms, and why imports must not go round in circles.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from spacekey.domain.errors import ConfigurationError

_IMPORT = re.compile(r'^import \{([\w\s,$]*)\} from "(\.[^"]+)";$', re.MULTILINE)
_EXPORT = re.compile(r"^export (?=(?:async function|function|class|const) (\w+))", re.MULTILINE)
_OTHER = re.compile(r"^(?:import|export)\b.*|\bimport\(.*|\bimport\.meta\b.*", re.MULTILINE)


def joined_modules(folder: Path, entry: str) -> str:
    """The module ``entry`` and everything it imports, as one script in strict mode.

    :param folder: where the modules lie; they import each other by relative paths.
    :raises ConfigurationError: a missing file, a circle, or a form of import or export that is not understood.
    """
    parts = (_as_function(folder, name) for name in _in_order(folder, entry, ()))
    return '"use strict";\n' + "".join(dict.fromkeys(parts))


def _in_order(folder: Path, name: str, path: tuple[str, ...]) -> Iterator[str]:
    """The module's imports, deepest first, then the module itself. Names may come twice."""
    if name in path:
        raise ConfigurationError(f"dashboard: modules import each other in a circle: {' → '.join((*path, name))}")
    for match in _IMPORT.finditer(_source(folder, name)):
        yield from _in_order(folder, _resolved(name, match[2]), (*path, name))
    yield name


def _as_function(folder: Path, name: str) -> str:
    source = _source(folder, name)
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
