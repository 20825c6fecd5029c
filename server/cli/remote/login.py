"""Which server commands speak to: the one in ``SPACEKEY_URL``, or the one that was logged in to."""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import mkstemp
from urllib.parse import urlsplit

from spacekey.domain.secret import Secret
from spacekey.server.cli.common.run import USAGE, Failure

URL_VARIABLE = "SPACEKEY_URL"
TOKEN_VARIABLE = "SPACEKEY_TOKEN"  # noqa: S105 - a name
DATABASE_VARIABLE = "SPACEKEY_DATABASE_URL"
LOOPBACK = ("localhost", "127.0.0.1", "::1")


@dataclass(frozen=True, slots=True)
class Server:
    """A server and the secret of the token that commands use there."""

    url: str
    secret: Secret


def server_now(environ: Mapping[str, str]) -> Server | None:
    """Return the server that commands speak to; None if they work on a database.

    ``SPACEKEY_URL`` with ``SPACEKEY_TOKEN`` comes before ``SPACEKEY_DATABASE_URL``, and that before the login.

    :raises Failure: the variables contradict each other, or the login's file cannot be used.
    """
    url, token = environ.get(URL_VARIABLE, "").strip(), environ.get(TOKEN_VARIABLE, "").strip()
    database = environ.get(DATABASE_VARIABLE, "").strip()
    if url and database:
        raise Failure(f"{URL_VARIABLE} and {DATABASE_VARIABLE} are both set; unset the one you do not mean.", USAGE)
    if not url:
        if token:
            raise Failure(f"{TOKEN_VARIABLE} is set without {URL_VARIABLE}; set both or neither.", USAGE)
        return None if database else logged_in(environ)
    address = checked_url(url, URL_VARIABLE)
    if token:
        return Server(address, checked_secret(token, TOKEN_VARIABLE))
    login = logged_in(environ)
    if login is None or login.url != address:
        raise Failure(f"{URL_VARIABLE} needs {TOKEN_VARIABLE}, or: spacekey login {address}", USAGE)
    return login


def checked_url(text: str, name: str) -> str:
    """Return a server's address without a slash at its end.

    :param name: what to call it in an error.
    :raises Failure: it is no address, or would send the token over a network unencrypted.
    """
    try:
        parts = urlsplit(text.strip())
        host, _ = parts.hostname, parts.port
    except ValueError:
        parts, host = urlsplit(""), None
    unfit = (
        "@" in parts.netloc or parts.query or parts.fragment or " " in text.strip() or not text.strip().isprintable()
    )
    if parts.scheme not in ("http", "https") or not host or unfit:
        raise Failure(f"{name}: write the server's address, such as https://keys.example.com", USAGE)
    if parts.scheme == "http" and host not in LOOPBACK:
        raise Failure(f"{name}: use https, since http would send the token unencrypted", USAGE)
    return text.strip().rstrip("/")


def checked_secret(text: str, name: str) -> Secret:
    """Return a token's secret.

    :param name: what to call it in an error, which does not repeat it.
    :raises Failure: it has characters that no header can carry.
    """
    if not text or not text.isascii() or not text.isprintable() or " " in text:
        raise Failure(f"{name}: the secret is empty, or has characters that no secret has.", USAGE)
    return Secret(text)


def login_file(environ: Mapping[str, str]) -> Path:
    """Return where the login is kept (XDG Base Directory Specification; ``%APPDATA%`` on Windows)."""
    base = environ.get("XDG_CONFIG_HOME", "") or environ.get("APPDATA", "")
    folder = Path(base) if base and Path(base).is_absolute() else Path.home() / ".config"
    return folder / "spacekey" / "login.json"


def logged_in(environ: Mapping[str, str]) -> Server | None:
    """Return the server that was logged in to, if there is one.

    :raises Failure: others may read the file, or it was not written by ``spacekey login``.
    """
    file = login_file(environ)
    try:
        mode, text = file.stat().st_mode, file.read_text(encoding="utf-8")
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError):
        raise Failure(f"'{file}' cannot be read. {_AGAIN}", USAGE) from None
    if os.name == "posix" and mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise Failure(f"'{file}' holds a secret, and others may read it. Run: chmod 600 {file}", USAGE)
    try:
        kept = json.loads(text)
        return Server(checked_url(kept["url"], "url"), checked_secret(str(kept["token"]), f"'{file}'"))
    except (ValueError, KeyError, TypeError, AttributeError):
        raise Failure(f"'{file}' holds no login. {_AGAIN}", USAGE) from None


_AGAIN = "Log in again: spacekey login URL"


def keep(server: Server, environ: Mapping[str, str]) -> Path:
    """Write the login to its file, which only its owner may read, and return the file."""
    file = login_file(environ)
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    handle, name = mkstemp(dir=file.parent)  # with mode 0600
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as written:
            json.dump({"url": server.url, "token": server.secret.reveal()}, written)
        Path(name).replace(file)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
    return file


def forget(environ: Mapping[str, str]) -> bool:
    """Remove the login's file; return whether there was one."""
    file = login_file(environ)
    there = file.exists()
    file.unlink(missing_ok=True)
    return there
