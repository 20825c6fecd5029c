"""libpq's service file: parameters under a name, so that a URL need not have them."""

from __future__ import annotations

import configparser
import os
from collections.abc import Mapping
from pathlib import Path

from spacekey.models.engine.postgres_tls import wrong_parameter


def with_service(given: Mapping[str, str]) -> dict[str, str]:
    """The parameters with those of the named service beside them; what the URL gives counts.

    The driver reads the file only for some URLs, and hands on what it does not know, so that is done here.

    :raises ConfigurationError: there is no such file or service.
    """
    own = {name: value for name, value in given.items() if value and name not in ("service", "servicefile")}
    service = given.get("service")
    if not service:
        return own
    return {**_parameters(service, _file(given.get("servicefile", ""))), **own}


def _file(named: str) -> Path:
    """Where libpq looks: the file that is named, the user's own, the system's.

    :raises ConfigurationError: none of them is there.
    """
    if named:
        if not Path(named).is_file():
            raise wrong_parameter("servicefile", "there is no file of this name")
        return Path(named)
    places = []
    if variable := os.environ.get("PGSERVICEFILE"):
        places.append(Path(variable))
    else:
        places.append(Path(os.environ.get("HOME", "/")) / ".pg_service.conf")
    if folder := os.environ.get("PGSYSCONFDIR"):
        places.append(Path(folder) / "pg_service.conf")
    for place in places:
        if place.is_file():
            return place
    raise wrong_parameter("service", "there is no service file; name it as servicefile")


def _parameters(service: str, file: Path) -> dict[str, str]:
    parser = configparser.RawConfigParser(delimiters="=", comment_prefixes="#", strict=False, default_section="")
    parser.optionxform = str  # type: ignore[assignment,method-assign] # names are told apart by case
    try:
        parser.read_string(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, configparser.Error):
        # The text may have a password: it is not repeated.
        raise wrong_parameter("servicefile", "the service file cannot be read") from None
    if not parser.has_section(service):
        raise wrong_parameter("service", "the service file has no service of this name")
    return {name: value for name, value in parser.items(service) if value}
