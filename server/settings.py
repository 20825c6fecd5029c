"""Settings of the server: one frozen object, checked when it is created."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from ipaddress import ip_network
from pathlib import Path
from typing import Any

from spacekey.domain.errors import ConfigurationError
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

    :raises ConfigurationError: a value is invalid; names the variable and what to write instead.
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
        try:
            database_url(self.database_url)
        except ConfigurationError as error:
            raise _wrong("database_url", str(error)) from None
        try:
            checked_schema(self.database_schema, database_url(self.database_url).get_backend_name())
        except ConfigurationError as error:
            raise _wrong("database_schema", str(error)) from None
        if self.operator is not None:
            try:
                clean_name("operator", self.operator)
            except InvalidInput as error:
                raise _wrong("operator", error.reason) from None
        if not self.products:
            raise _wrong("products", "name at least one product file")
        if not self.host or any(one.isspace() for one in self.host):
            raise _wrong("host", "write an address to listen on, such as 127.0.0.1 or 0.0.0.0")
        if not 0 <= self.port <= 65_535:
            raise _wrong("port", "write a number from 1 to 65535, or 0 for any free port")
        if self.public_url is not None:
            try:
                public_url(self.public_url)
            except ConfigurationError as error:
                raise _wrong("public_url", str(error)) from None
        if self.log_level not in LOG_LEVELS:
            raise _wrong("log_level", f"write one of {', '.join(LOG_LEVELS)}")
        if self.redis_url is not None:
            _check_redis_url(self.redis_url)
        if not 1 <= self.processes <= PROCESSES_MAX:
            raise _wrong("processes", f"write a number from 1 to {PROCESSES_MAX}")
        if not 1 <= self.workers <= WORKERS_MAX:
            raise _wrong("workers", _WORKERS)
        if self.connections is not None and self.connections < 1:
            raise _wrong("connections", _CONNECTIONS)
        for name in ("anonymous_cpu_ms", "anonymous_cpu_ms_burst"):
            if not 1 <= getattr(self, name) <= CPU_MS_MAX:
                raise _wrong(name, _CPU_MS)
        for name in SECONDS:
            if not 0 < getattr(self, name) <= SECONDS_MAX:
                raise _wrong(name, _SECONDS)
        for name in ("api_per_minute", "api_burst"):
            if not 1 <= getattr(self, name) <= API_LIMIT_MAX:
                raise _wrong(name, f"write a number from 1 to {API_LIMIT_MAX}")
        if self.workspace_creation not in WORKSPACE_CREATORS:
            raise _wrong("workspace_creation", f"write {' or '.join(WORKSPACE_CREATORS)}")
        if not 1 <= self.workspaces_owned_max <= OWNED_MAX:
            raise _wrong("workspaces_owned_max", f"write a number from 1 to {OWNED_MAX}")
        _check_oidc(self)
        _check_identity_header(self)
        _check_mail(self)
        if self.metrics_token is not None and _METRICS_TOKEN.fullmatch(self.metrics_token.reveal()) is None:
            raise _wrong("metrics_token", _METRICS_REMEDY)
        for name in ("graphql_cost_per_minute", "anonymous_cost_per_minute"):
            if not COST_PER_MINUTE_MIN <= getattr(self, name) < 10**WHOLE_DIGITS_MAX:
                raise _wrong(name, _COST_REMEDY)
        object.__setattr__(self, "cors_origins", _cors_origins(self.cors_origins))
        for proxy in self.trusted_proxies:
            try:
                ip_network(proxy)
            except ValueError:
                raise _wrong("trusted_proxies", f"'{proxy}' is no IP address or network such as 10.0.0.0/8") from None

    @classmethod
    def from_environ(cls, environ: Mapping[str, str]) -> Settings:
        """Return the settings in environment variables; an empty variable counts as not set.

        ``SPACEKEY_<FIELD>_FILE`` names a file that holds the value, as Docker and Kubernetes mount secrets. The
        variables that Kubernetes sets for Services are left alone, see :func:`is_service_link`.

        :raises ConfigurationError: a variable is unknown, with near matches, or has an invalid value.
        """
        known = {PREFIX + one.name.upper(): one.name for one in fields(cls)}
        given: dict[str, Any] = {}
        for variable in sorted(environ):
            _check_mark(variable)
            if (
                not variable.startswith(PREFIX)
                or variable in COMMAND_LINE_VARIABLES
                or is_service_link(variable, environ[variable])
            ):
                continue
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
                continue
            if setting != variable:
                if environ.get(setting, "").strip():
                    raise ConfigurationError(f"{variable}: {setting} is set too; set one of the two")
                text = one_line(read_file(Path(text.strip()).expanduser(), variable), variable)
                if not text.strip():
                    raise ConfigurationError(f"{variable}: the file is empty")
            given[name] = _READ.get(name, str.strip)(text)
        return cls(**given)

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


def _check_redis_url(url: str) -> None:
    try:
        from spacekey.middleware.limits.redis import check_redis_url  # needs the redis extra
    except ModuleNotFoundError:
        raise _wrong("redis_url", "this needs a client; pip install 'spacekey[redis]'") from None
    try:
        check_redis_url(url)
    except ConfigurationError as error:
        raise _wrong("redis_url", str(error)) from None


def _check_mail(settings: Settings) -> None:
    if settings.smtp_url is None:
        if settings.mail_from is not None:
            raise _wrong("mail_from", f"this is of no use without {PREFIX}SMTP_URL")
        return
    try:
        MailServer.parse(settings.smtp_url)
    except ConfigurationError as error:
        raise _wrong("smtp_url", str(error)) from None
    try:
        clean_email("mail_from", settings.mail_from or "")
    except InvalidInput:
        raise _wrong("mail_from", "write the address that mail comes from, such as keys@example.com") from None
    if settings.public_url is None:
        raise _wrong("public_url", "the links in mails lead to it; write https:// and the server's name")


def _check_identity_header(settings: Settings) -> None:
    if settings.identity_header is None:
        for name in ("identity_header_name", "identity_header_email", "identity_proxies", "identity_domains"):
            if getattr(settings, name):
                raise _wrong(name, f"this is of no use without {PREFIX}IDENTITY_HEADER")
        return
    if settings.oidc_issuer is not None:
        raise _wrong("identity_header", f"people come from one place; unset this or {PREFIX}OIDC_ISSUER")
    if not settings.identity_proxies:
        raise _wrong("identity_proxies", "write the addresses or networks from which the proxy connects")


def _check_oidc(settings: Settings) -> None:
    given = [
        name
        for name in ("client_id", "client_secret", "domains", "title", "role_claim", "roles")
        if getattr(settings, f"oidc_{name}")
    ]
    if settings.oidc_issuer is None:
        if given:
            raise _wrong(f"oidc_{given[0]}", f"this is of no use without {PREFIX}OIDC_ISSUER")
        if not settings.password_sign_in and settings.identity_header is None:
            raise _wrong("password_sign_in", f"0 leaves no way to sign in; set {PREFIX}OIDC_ISSUER first")
        return
    if settings.oidc_client_id is None:
        raise _wrong("oidc_client_id", "write the id that the identity provider gave this server")
    if settings.public_url is None:
        raise _wrong(
            "public_url", "the identity provider sends people back to it; write https:// and the server's name"
        )
    if bool(settings.oidc_role_claim) != bool(settings.oidc_roles):
        missing = "oidc_roles" if settings.oidc_role_claim else "oidc_role_claim"
        raise _wrong(missing, f"{PREFIX}OIDC_ROLE_CLAIM and {PREFIX}OIDC_ROLES go together; set both or neither")
