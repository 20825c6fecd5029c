"""Settings of the server: one frozen object, checked when it is created."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, fields
from ipaddress import ip_network
from pathlib import Path
from typing import Any

from spacekey.domain.errors import ConfigurationError, raise_all
from spacekey.domain.ids import WORKSPACE, id_prefix
from spacekey.domain.origin import ANY_ORIGIN, serialized_origin
from spacekey.domain.public_url import PublicUrl, public_url
from spacekey.domain.refusal import InvalidInput
from spacekey.domain.secret import Secret
from spacekey.domain.suggest import did_you_mean_setting
from spacekey.domain.text_input import BYTE_ORDER_MARK, one_line, read_file
from spacekey.models.engine.schema import checked_schema
from spacekey.models.engine.store import database_url
from spacekey.resolvers.addresses import clean_email
from spacekey.resolvers.validation import clean_name

from .smtp import MailServer

PREFIX = "SPACEKEY_"
PROCESSES_MAX = 1_000
WORKERS_MAX = 256
WHOLE_DIGITS_MAX = 9
SECONDS = ("header_seconds", "body_seconds", "idle_seconds")
SECONDS_MAX = 3_600
CPU_MS_MAX = 60_000
OWNED_MAX = 10_000
API_LIMIT_MAX = 1_000_000
WORKSPACE_CREATORS = ("operator", "members")
COST_PER_MINUTE_MIN = 1_000
_COST_REMEDY = f"write a number from {COST_PER_MINUTE_MIN} to {10**WHOLE_DIGITS_MAX - 1}"
_METRICS_TOKEN = re.compile(r"[!-~]{20,200}", re.ASCII)
_METRICS_REMEDY = "write 20 to 200 characters of ASCII without blanks, such as the output of 'openssl rand -hex 32'"
LOG_LEVELS = ("debug", "info", "warning", "error")
FILE_SUFFIX = "_FILE"
_SERVICE_LINK = re.compile(
    r"SPACEKEY_(?:[A-Z0-9_]+_)?"
    r"(?:SERVICE_(?:HOST|PORT(?:_[A-Z0-9_]+)?)|PORT_[0-9]+_(?:TCP|UDP|SCTP)_(?:PROTO|PORT|ADDR))",
    re.ASCII,
)
_SERVICE_URL = re.compile(r"SPACEKEY_(?:[A-Z0-9_]+_)?PORT(?:_[0-9]+_(?:TCP|UDP|SCTP))?", re.ASCII)
_VARIABLE = re.compile(rf"\b{PREFIX}[A-Z_]+\b", re.ASCII)
_LINK_VALUE = re.compile(r"(?:tcp|udp|sctp)://", re.ASCII)
RENAMED = {"SPACEKEY_CATALOGS": "SPACEKEY_PRODUCTS", "SPACEKEY_WORKSPACE_CATALOGS": "SPACEKEY_WORKSPACE_PRODUCTS"}
"""Settings under their earlier names, which are refused, and their names now."""
REMOVED = {
    "SPACEKEY_INTROSPECTORS": "services are kept in the database now; create each with "
    "'spacekey service create NAME --product PRODUCT', and unset this variable"
}
"""Settings that no longer exist, and what to do instead."""
COMMAND_LINE_VARIABLES = ("SPACEKEY_WORKSPACE", "SPACEKEY_URL", "SPACEKEY_TOKEN")
"""Variables that stand for options of the command line, and are no settings of a server."""
EXAMPLES = ("emit", "spooled", "teamspace", "guard")


def packaged_products() -> tuple[Path, ...]:
    """Return the files of the four example products that come with Spacekey."""
    folder = Path(__file__).resolve().parent.parent / "examples"
    return tuple(folder / f"{name}.toml" for name in EXAMPLES)


@dataclass(frozen=True, slots=True)
class Settings:
    """Settings of one server. Each field is the environment variable ``SPACEKEY_<FIELD>`` (docs/reference/settings.md).

    :raises ConfigurationError: values are invalid; names each variable and what to write instead.
    """

    database_url: str = field(default="sqlite:///data/spacekey.db", repr=False)
    products: tuple[Path, ...] = field(default_factory=packaged_products)
    host: str = "127.0.0.1"
    port: int = 8000
    public_url: str | None = None
    log_level: str = "info"
    trusted_proxies: tuple[str, ...] = ()
    redis_url: str | None = field(default=None, repr=False)
    processes: int = 1
    graphql_cost_per_minute: int = 200_000
    anonymous_cost_per_minute: int = 40_000
    api_per_minute: int = 600
    api_burst: int = 100
    owner_email: str | None = None
    owner_password: Secret | None = None
    graphiql: bool = False
    workspace_creation: str = "operator"
    workspaces_owned_max: int = 3
    workspace_products: tuple[str, ...] = ()
    connections: int | None = None
    header_seconds: float = 10.0
    body_seconds: float = 30.0
    idle_seconds: float = 75.0
    anonymous_cpu_ms: int = 600
    anonymous_cpu_ms_burst: int = 2_000
    workers: int = 1
    operator: str | None = None
    database_schema: str | None = None
    cors_origins: tuple[str, ...] = ()
    oidc_issuer: str | None = None
    oidc_client_id: str | None = None
    oidc_client_secret: Secret | None = None
    oidc_domains: tuple[str, ...] = ()
    oidc_title: str | None = None
    oidc_scopes: str = "openid profile email"
    oidc_role_claim: str | None = None
    oidc_roles: tuple[tuple[str, str, str], ...] = ()
    password_sign_in: bool = True
    smtp_url: str | None = field(default=None, repr=False)
    mail_from: str | None = None
    metrics_token: Secret | None = None
    identity_header: str | None = None
    identity_header_name: str | None = None
    identity_header_email: str | None = None
    identity_proxies: tuple[str, ...] = ()
    identity_domains: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        raise_all(self._faults())
        object.__setattr__(self, "cors_origins", _cors_origins(self.cors_origins))

    def _faults(self) -> Iterator[ConfigurationError]:
        """Yield what is wrong, setting by setting."""
        try:
            database_url(self.database_url)
        except ConfigurationError as error:
            yield _wrong("database_url", str(error))
        else:
            try:
                checked_schema(self.database_schema, database_url(self.database_url).get_backend_name())
            except ConfigurationError as error:
                yield _wrong("database_schema", str(error))
        if self.operator is not None:
            try:
                clean_name("operator", self.operator)
            except InvalidInput as error:
                yield _wrong("operator", error.reason)
        if not self.products:
            yield _wrong("products", "name at least one product file")
        if not self.host or any(one.isspace() for one in self.host):
            yield _wrong("host", "write an address to listen on, such as 127.0.0.1 or 0.0.0.0")
        if not 0 <= self.port <= 65_535:
            yield _wrong("port", "write a number from 1 to 65535, or 0 for any free port")
        if self.public_url is not None:
            try:
                public_url(self.public_url)
            except ConfigurationError as error:
                yield _wrong("public_url", str(error))
        if self.log_level not in LOG_LEVELS:
            yield _wrong("log_level", f"write one of {', '.join(LOG_LEVELS)}")
        if self.redis_url is not None:
            yield from _redis_faults(self.redis_url)
        if not 1 <= self.processes <= PROCESSES_MAX:
            yield _wrong("processes", f"write a number from 1 to {PROCESSES_MAX}")
        if not 1 <= self.workers <= WORKERS_MAX:
            yield _wrong("workers", _WORKERS)
        if self.connections is not None and self.connections < 1:
            yield _wrong("connections", _CONNECTIONS)
        for name in ("anonymous_cpu_ms", "anonymous_cpu_ms_burst"):
            if not 1 <= getattr(self, name) <= CPU_MS_MAX:
                yield _wrong(name, _CPU_MS)
        for name in SECONDS:
            if not 0 < getattr(self, name) <= SECONDS_MAX:
                yield _wrong(name, _SECONDS)
        for name in ("api_per_minute", "api_burst"):
            if not 1 <= getattr(self, name) <= API_LIMIT_MAX:
                yield _wrong(name, f"write a number from 1 to {API_LIMIT_MAX}")
        if self.workspace_creation not in WORKSPACE_CREATORS:
            yield _wrong("workspace_creation", f"write {' or '.join(WORKSPACE_CREATORS)}")
        if not 1 <= self.workspaces_owned_max <= OWNED_MAX:
            yield _wrong("workspaces_owned_max", f"write a number from 1 to {OWNED_MAX}")
        yield from _oidc_faults(self)
        yield from _identity_header_faults(self)
        yield from _mail_faults(self)
        if self.metrics_token is not None and _METRICS_TOKEN.fullmatch(self.metrics_token.reveal()) is None:
            yield _wrong("metrics_token", _METRICS_REMEDY)
        for name in ("graphql_cost_per_minute", "anonymous_cost_per_minute"):
            if not COST_PER_MINUTE_MIN <= getattr(self, name) < 10**WHOLE_DIGITS_MAX:
                yield _wrong(name, _COST_REMEDY)
        try:
            _cors_origins(self.cors_origins)
        except ConfigurationError as error:
            yield error
        for proxy in self.trusted_proxies:
            try:
                ip_network(proxy)
            except ValueError:
                yield _wrong("trusted_proxies", f"'{proxy}' is no IP address or network such as 10.0.0.0/8")

    @classmethod
    def from_environ(cls, environ: Mapping[str, str]) -> Settings:
        """Return the settings in environment variables; an empty variable counts as not set.

        ``SPACEKEY_<FIELD>_FILE`` names a file that holds the value, as Docker and Kubernetes mount secrets. The
        variables that Kubernetes sets for Services are left alone, see :func:`is_service_link`.

        :raises ConfigurationError: variables are unknown, with near matches, or have invalid values; names all of them.
        """
        given: dict[str, Any] = {}
        faults: list[ConfigurationError] = []
        unread: set[str] = set()
        for variable in sorted(environ):
            try:
                name, value = _read_variable(variable, environ)
            except ConfigurationError as error:
                faults.append(error)
                unread.add(variable.removesuffix(FILE_SUFFIX))
                continue
            if name is not None:
                given[name] = value
        try:
            made = cls(**given)
        except ConfigurationError as error:
            # What is said of a setting that could not be read follows from that.
            faults += [one for one in error.each() if unread.isdisjoint(_VARIABLE.findall(str(one)))]
        raise_all(faults)
        return made

    @property
    def public(self) -> PublicUrl | None:
        """URL by which browsers know this server, if set, from which absolute URLs of its pages are made."""
        return None if self.public_url is None else public_url(self.public_url)


def is_service_link(variable: str, value: str) -> bool:
    """Return whether Kubernetes set this variable for a Service named ``spacekey`` or ``spacekey-…``.

    Each pod gets, for each Service of its namespace, ``X_SERVICE_HOST``, ``X_SERVICE_PORT``,
    ``X_SERVICE_PORT_<NAME>`` and the Docker links ``X_PORT=tcp://…``, ``X_PORT_<n>_TCP`` and that with ``_PROTO``,
    ``_PORT`` and ``_ADDR`` (Kubernetes documentation, "Accessing the Service", environment variables).
    """
    if _SERVICE_LINK.fullmatch(variable):
        return True
    return _SERVICE_URL.fullmatch(variable) is not None and _LINK_VALUE.match(value) is not None


def _read_variable(variable: str, environ: Mapping[str, str]) -> tuple[str | None, Any]:
    """Return the setting that a variable gives, and its value; None for a variable that gives none.

    :raises ConfigurationError: the variable is unknown, with near matches, or has an invalid value.
    """
    _check_mark(variable)
    if (
        not variable.startswith(PREFIX)
        or variable in COMMAND_LINE_VARIABLES
        or is_service_link(variable, environ[variable])
    ):
        return None, None
    known = {PREFIX + one.name.upper(): one.name for one in fields(Settings)}
    setting = variable if variable in known else variable.removesuffix(FILE_SUFFIX)
    name = known.get(setting)
    if name is None and setting in REMOVED:
        raise ConfigurationError(f"{variable}: {REMOVED[setting]}")
    if name is None and setting in RENAMED:
        raise ConfigurationError(f"{variable} is called {variable.replace(setting, RENAMED[setting])} now")
    if name is None:
        near = did_you_mean_setting(variable, (*known, *COMMAND_LINE_VARIABLES))
        raise ConfigurationError(f"{variable}: there is no such setting.{near}")
    text = one_line(environ[variable], variable)
    if not text.strip():
        return None, None
    if setting != variable:
        if environ.get(setting, "").strip():
            raise ConfigurationError(f"{variable}: {setting} is set too; set one of the two")
        text = one_line(read_file(Path(text.strip()).expanduser(), variable), variable)
        if not text.strip():
            raise ConfigurationError(f"{variable}: the file is empty")
    return name, _READ.get(name, str.strip)(text)


def _check_mark(variable: str) -> None:
    """Refuse a name that begins with a byte order mark, which comes from the file that sets it."""
    if variable.startswith(BYTE_ORDER_MARK + PREFIX):
        name = variable.removeprefix(BYTE_ORDER_MARK)
        raise ConfigurationError(f"{name}: the file it stands in begins with a byte order mark; save it without one")


def variable_names() -> tuple[str, ...]:
    """Return the names of all environment variables that a server reads."""
    return tuple(PREFIX + one.name.upper() for one in fields(Settings))


def _cors_origins(origins: tuple[str, ...]) -> tuple[str, ...]:
    """Return the origins as browsers send them.

    :raises ConfigurationError: for anything but origins, or ``*`` alone.
    """
    if origins == (ANY_ORIGIN,):
        return origins
    found = []
    for origin in origins:
        if origin == ANY_ORIGIN:
            raise _wrong("cors_origins", "write '*' alone, or name each origin")
        try:
            found.append(serialized_origin(origin))
        except ValueError as error:
            raise _wrong("cors_origins", f"'{origin:.80}' is no origin: {error}") from None
    return tuple(dict.fromkeys(found))


def _wrong(name: str, remedy: str) -> ConfigurationError:
    return ConfigurationError(f"{PREFIX}{name.upper()}: {remedy}")


def _port(text: str) -> int:
    return _whole(text, "port", "write a number from 1 to 65535, or 0 for any free port")


def _switch(name: str, remedy: str) -> Callable[[str], bool]:
    def read(text: str) -> bool:
        word = text.strip().lower()
        if word not in ("1", "0", "true", "false"):
            raise _wrong(name, remedy)
        return word in ("1", "true")

    return read


def _roles(text: str) -> tuple[tuple[str, str, str], ...]:
    """Return claim value, workspace and role of each entry ``value=ws_…:role``."""
    found = []
    for one in _list(text):
        value, _, target = one.rpartition("=")
        workspace, _, role = target.partition(":")
        if not (value.strip() and id_prefix(workspace.strip()) == WORKSPACE and role.strip()):
            raise _wrong(
                "oidc_roles",
                f"'{one}' is not of the form value=ws_…:role, with a workspace's id from 'spacekey workspace list'",
            )
        found.append((value.strip(), workspace.strip(), role.strip()))
    return tuple(found)


def _processes(text: str) -> int:
    return _whole(text, "processes", f"write a number from 1 to {PROCESSES_MAX}")


def _connections(text: str) -> int:
    return _whole(text, "connections", _CONNECTIONS)


def _seconds(name: str) -> Callable[[str], float]:
    """Return a parser of seconds: digits with or without a decimal part.

    ``float`` would also take ``1e3``, ``inf`` and the digits of other scripts.
    """

    def read(text: str) -> float:
        whole, _, part = text.strip().partition(".")
        if not (f"{whole}{part}".isascii() and f"{whole}{part}".isdigit() and len(whole) <= WHOLE_DIGITS_MAX):
            raise _wrong(name, _SECONDS)
        return float(text)

    return read


def _up_to(name: str, most: int) -> Callable[[str], int]:
    return lambda text: _whole(text, name, f"write a number from 1 to {most}")


def _cost(name: str) -> Callable[[str], int]:
    return lambda text: _whole(text, name, _COST_REMEDY)


def _whole(text: str, name: str, remedy: str) -> int:
    """Return a number written in digits only: ``int`` would also take ``8_0`` and the digits of other scripts."""
    digits = text.strip()
    if not (digits.isascii() and digits.isdigit() and len(digits) <= WHOLE_DIGITS_MAX):
        raise _wrong(name, remedy)
    return int(digits)


def _list(text: str) -> tuple[str, ...]:
    return tuple(one.strip() for one in text.split(",") if one.strip())


def _paths(text: str) -> tuple[Path, ...]:
    return tuple(Path(one).expanduser() for one in _list(text))


_WORKERS = f"write a number from 1 to {WORKERS_MAX}; one per core is a good start"
_CONNECTIONS = "write how many connections there may be, at least 1, or leave it out"
_CPU_MS = f"write a number of milliseconds from 1 to {CPU_MS_MAX}"
_SECONDS = f"write a number of seconds above 0 and up to {SECONDS_MAX}, such as 10 or 0.5"

_READ: dict[str, Callable[[str], Any]] = {
    "products": _paths,
    "port": _port,
    "processes": _processes,
    "workers": lambda text: _whole(text, "workers", _WORKERS),
    "workspace_creation": lambda text: text.strip().lower(),
    "workspaces_owned_max": _up_to("workspaces_owned_max", OWNED_MAX),
    "api_per_minute": _up_to("api_per_minute", API_LIMIT_MAX),
    "api_burst": _up_to("api_burst", API_LIMIT_MAX),
    "workspace_products": _list,
    "graphql_cost_per_minute": _cost("graphql_cost_per_minute"),
    "anonymous_cost_per_minute": _cost("anonymous_cost_per_minute"),
    "log_level": lambda text: text.strip().lower(),
    "trusted_proxies": _list,
    "owner_password": Secret,
    "metrics_token": lambda text: Secret(text.strip()),
    "graphiql": _switch("graphiql", "write 1 to serve GraphiQL, or 0"),
    "oidc_client_secret": lambda text: Secret(text.strip()),
    "oidc_domains": _list,
    "identity_proxies": _list,
    "identity_domains": _list,
    "oidc_roles": _roles,
    "password_sign_in": _switch("password_sign_in", "write 1 to let people sign in with passwords, or 0"),
    "operator": str.strip,
    "cors_origins": _list,
    "connections": _connections,
    **{name: _seconds(name) for name in SECONDS},
    "anonymous_cpu_ms": lambda text: _whole(text, "anonymous_cpu_ms", _CPU_MS),
    "anonymous_cpu_ms_burst": lambda text: _whole(text, "anonymous_cpu_ms_burst", _CPU_MS),
}


def _redis_faults(url: str) -> Iterator[ConfigurationError]:
    try:
        from spacekey.middleware.limits.redis import check_redis_url  # needs the redis extra
    except ModuleNotFoundError:
        yield _wrong("redis_url", "this needs a client; pip install 'spacekey[redis]'")
        return
    try:
        check_redis_url(url)
    except ConfigurationError as error:
        yield _wrong("redis_url", str(error))


def _mail_faults(settings: Settings) -> Iterator[ConfigurationError]:
    if settings.smtp_url is None:
        if settings.mail_from is not None:
            yield _wrong("mail_from", f"this is of no use without {PREFIX}SMTP_URL")
        return
    try:
        MailServer.parse(settings.smtp_url)
    except ConfigurationError as error:
        yield _wrong("smtp_url", str(error))
    try:
        clean_email("mail_from", settings.mail_from or "")
    except InvalidInput:
        yield _wrong("mail_from", "write the address that mail comes from, such as keys@example.com")
    if settings.public_url is None:
        yield _wrong("public_url", "the links in mails lead to it; write https:// and the server's name")


def _identity_header_faults(settings: Settings) -> Iterator[ConfigurationError]:
    if settings.identity_header is None:
        for name in ("identity_header_name", "identity_header_email", "identity_proxies", "identity_domains"):
            if getattr(settings, name):
                yield _wrong(name, f"this is of no use without {PREFIX}IDENTITY_HEADER")
        return
    if settings.oidc_issuer is not None:
        yield _wrong("identity_header", f"people come from one place; unset this or {PREFIX}OIDC_ISSUER")
    if not settings.identity_proxies:
        yield _wrong("identity_proxies", "write the addresses or networks from which the proxy connects")


def _oidc_faults(settings: Settings) -> Iterator[ConfigurationError]:
    given = [
        name
        for name in ("client_id", "client_secret", "domains", "title", "role_claim", "roles")
        if getattr(settings, f"oidc_{name}")
    ]
    if settings.oidc_issuer is None:
        if given:
            yield _wrong(f"oidc_{given[0]}", f"this is of no use without {PREFIX}OIDC_ISSUER")
        if not settings.password_sign_in and settings.identity_header is None:
            yield _wrong("password_sign_in", f"0 leaves no way to sign in; set {PREFIX}OIDC_ISSUER first")
        return
    if settings.oidc_client_id is None:
        yield _wrong("oidc_client_id", "write the id that the identity provider gave this server")
    if settings.public_url is None:
        yield _wrong(
            "public_url", "the identity provider sends people back to it; write https:// and the server's name"
        )
    if bool(settings.oidc_role_claim) != bool(settings.oidc_roles):
        missing = "oidc_roles" if settings.oidc_role_claim else "oidc_role_claim"
        yield _wrong(missing, f"{PREFIX}OIDC_ROLE_CLAIM and {PREFIX}OIDC_ROLES go together; set both or neither")
