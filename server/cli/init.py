"""``spacekey init``: write the files of a product of one's own, so that it can be served."""

from __future__ import annotations

import os
import re
import shutil
import sys
from collections.abc import Callable, Mapping, Sequence
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from ._init_files import compose_file, product_file, settings_file, systemd_unit
from ._options import AsJson
from .common.output import say, show_one
from .common.run import NAME, USAGE, Failure

PREFIX_LENGTH = 4
NAME_LENGTH_MAX = 30
_UNSAFE_PATH = re.compile(r"[^\w./+@-]")


class Deployment(StrEnum):
    """What starts the server."""

    SYSTEMD = "systemd"
    COMPOSE = "compose"
    NONE = "none"


def init(
    folder: Annotated[
        Path, typer.Argument(metavar="FOLDER", help="Where the files are written; left out: the working directory.")
    ] = Path(),
    name: Annotated[
        str | None, typer.Option("--name", help="The product's name, a lower-case word; by default the folder's.")
    ] = None,
    title: Annotated[str | None, typer.Option("--title", help="The product's name for people.")] = None,
    secret_prefix: Annotated[
        str | None,
        typer.Option("--secret-prefix", help="What every secret begins with: 2 to 16 lower-case letters or digits."),
    ] = None,
    scopes: Annotated[
        list[str] | None,
        typer.Option(
            "--scope", metavar="SCOPE=TEXT", help="A scope and what it allows, like jobs:read='See jobs'; repeated."
        ),
    ] = None,
    database_url: Annotated[
        str | None, typer.Option("--database-url", help="SQLite in this folder by default; PostgreSQL in production.")
    ] = None,
    port: Annotated[int | None, typer.Option("--port", min=1, max=65_535, help="Port of the server.")] = None,
    public_url: Annotated[
        str | None, typer.Option("--public-url", help="URL that browsers open, if a proxy is in front.")
    ] = None,
    deployment: Annotated[
        Deployment | None, typer.Option("--deploy", help="What starts the server: also write the file for it.")
    ] = None,
    yes: Annotated[
        bool, typer.Option("--yes", "-y", help="Ask nothing; take the default of what is left out.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Write a product file, a settings file and a systemd unit or compose file for a product of your own.

    Asks for what is not given as an option. A file that exists is never overwritten.
    """
    ask = _answers(yes)
    home = Path(folder).expanduser().absolute()
    name = ask("Name of the product, a lower-case word", name, _name_of(home))
    title = ask("Its name for people", title, name.replace("_", " ").capitalize())
    prefix = ask("Prefix of its secrets", secret_prefix, _prefix_of(name))
    described = _scopes(scopes or ask("Scopes, separated by commas", None, f"{name}:read,{name}:write").split(","))
    url = ask("Database", database_url, "sqlite:///data/spacekey.db")
    number = int(ask("Port of the server", None if port is None else str(port), "8000"))
    public = ask("URL that browsers open, empty without a proxy", public_url, "")
    start = Deployment(ask("What starts it: systemd, compose or none", deployment, Deployment.NONE))
    settings = {
        "SPACEKEY_PRODUCTS": "product.toml",
        "SPACEKEY_DATABASE_URL": url,
        "SPACEKEY_PORT": str(number),
        "SPACEKEY_PUBLIC_URL": public,
    }
    texts = {
        "product.toml": product_file(name, title, prefix, described),
        "spacekey.env": settings_file(settings),
    }
    if start is Deployment.SYSTEMD:
        texts["spacekey.service"] = systemd_unit(_safe(home), _safe(_program()), title)
    elif start is Deployment.COMPOSE:
        texts["compose.yaml"] = compose_file(number, on_sqlite=url.startswith("sqlite"))
    _check(texts["product.toml"], settings)
    _write(home, texts)
    commands = _next(start)
    if as_json:
        show_one({"folder": str(home), "files": list(texts), "next": commands}, True)
        return
    for one in texts:
        print(home / one)
    say("\nNext, in that folder:\n" + "\n".join(f"  {one}" for one in commands))


def _answers(yes: bool) -> Callable[[str, str | None, str], str]:
    """Return what gives each answer: the option, else the default with ``--yes``, else the person at the terminal."""

    def ask(question: str, given: str | None, default: str) -> str:
        if given is not None:
            return str(given)
        if yes:
            return default
        if not sys.stdin.isatty():
            raise Failure(
                "Standard input is not a terminal; use --yes to take the defaults of what is not given.", USAGE
            )
        return str(typer.prompt(question, default=default, err=True)).strip()

    return ask


def _name_of(folder: Path) -> str:
    """Return a product's name made from the folder's."""
    return re.sub(r"[^a-z0-9]+", "_", folder.name.lower())[:NAME_LENGTH_MAX].strip("_0123456789") or "product"


def _prefix_of(name: str) -> str:
    letters = re.sub(r"[^a-z0-9]", "", name)[:PREFIX_LENGTH]
    return letters if len(letters) > 1 else f"{letters}key"


def _scopes(given: Sequence[str]) -> dict[str, str]:
    """Return the description of each scope; the scope itself if it has none."""
    pairs = (one.partition("=") for one in given if one.strip())
    return {scope.strip(): (text.strip() or scope.strip()) for scope, _, text in pairs}


def _check(product: str, settings: Mapping[str, str]) -> None:
    """Check what is about to be written, as a server does.

    :raises ConfigurationError: a value can't be used; names it.
    """
    from spacekey.domain.product_file import parse_product
    from spacekey.server.settings import Settings

    parse_product(product, "product.toml")
    Settings.from_environ(settings)


def _write(folder: Path, texts: Mapping[str, str]) -> None:
    """Write all files, or none if one of them exists.

    :raises Failure: one exists, or the folder can't be written to.
    """
    there = [name for name in texts if os.path.lexists(folder / name)]
    if there:
        raise Failure(f"{', '.join(there)}: already in '{folder}', and never overwritten; choose another folder.")
    written: list[Path] = []
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in texts.items():
            file = folder / name
            # The settings may hold a database's password.
            mode = 0o600 if name.endswith(".env") else 0o644
            descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
            written.append(file)
            with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
                stream.write(text)
    except OSError as error:
        for file in written:
            file.unlink()
        raise Failure(f"'{folder}' can't be written to: {error.strerror}; choose another folder.") from error


def _safe(path: Path) -> str:
    """Return a path for a systemd unit.

    :raises Failure: it has characters that mean something else there.
    """
    text = str(path)
    if _UNSAFE_PATH.search(text):
        raise Failure(f"'{text}': a systemd unit needs a path without spaces, quotes and %; choose another.", USAGE)
    return text


def _program() -> Path:
    """Return the program that this command was started by."""
    own = Path(sys.executable).with_name(NAME)
    return own if own.exists() else Path(shutil.which(NAME) or own)


def _next(start: Deployment) -> list[str]:
    load = "set -a; . ./spacekey.env; set +a"
    match start:
        case Deployment.SYSTEMD:
            return [
                load,
                "spacekey migrate",
                "spacekey check",
                "systemctl enable --now $PWD/spacekey.service",
            ]
        case Deployment.COMPOSE:
            return ["docker compose up --detach", "docker compose exec spacekey spacekey check"]
    return [load, "spacekey migrate", "spacekey check", "spacekey serve"]
