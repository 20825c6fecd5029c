"""Settings: checked when made, every mistake says what to write, nothing shows a password."""

from __future__ import annotations

import codecs
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spacekey.domain.errors import ConfigurationError
from spacekey.domain.product_file import load_products
from spacekey.domain.public_url import PublicUrl
from spacekey.domain.secret import Secret
from spacekey.server.identity import OpenIDConnect, Passwords, TrustedHeader
from spacekey.server.identity.from_settings import identity_of
from spacekey.server.limits import build_limiter
from spacekey.server.metrics import Metrics
from spacekey.server.settings import (
    COMMAND_LINE_VARIABLES,
    EXAMPLES,
    RENAMED,
    Settings,
    is_service_link,
    variable_names,
)
from spacekey.server.smtp import MailServer

DOCS = Path(__file__).parents[2] / "docs" / "reference" / "settings.md"

WRONG: list[tuple[str, str, str]] = [
    ("SPACEKEY_DATABASE_URL", "mysql://root@host/db", "SQLite or PostgreSQL"),
    ("SPACEKEY_DATABASE_URL", "nonsense", "sqlite:///"),
    ("SPACEKEY_DATABASE_URL", "sqlite://", "file"),
    ("SPACEKEY_DATABASE_SCHEMA", "spacekey", "SQLite has no schemas"),
    ("SPACEKEY_PRODUCTS", ",", "at least one"),
    ("SPACEKEY_HOST", "two words", "address"),
    ("SPACEKEY_PORT", "http", "number"),
    ("SPACEKEY_PORT", "65536", "65535"),
    ("SPACEKEY_PORT", "-1", "65535"),
    ("SPACEKEY_PUBLIC_URL", "keys.example.com", "https://keys.example.com"),
    ("SPACEKEY_PUBLIC_URL", "ftp://keys.example.com", "https://keys.example.com"),
    ("SPACEKEY_PUBLIC_URL", "https://keys.example.com/a/../b", "https://example.com/keys"),
    ("SPACEKEY_PUBLIC_URL", "https://keys.example.com:port", "https://keys.example.com"),
    ("SPACEKEY_PUBLIC_URL", "https://user@keys.example.com", "https://keys.example.com"),
    ("SPACEKEY_LOG_LEVEL", "loud", "debug, info"),
    ("SPACEKEY_OPERATOR", "a\tb", "control characters"),
    ("SPACEKEY_OPERATOR", "\u200b", "."),
    ("SPACEKEY_OPERATOR", "x" * 201, "at most 200"),
    ("SPACEKEY_PORT", "8_0", "65535"),
    ("SPACEKEY_PORT", "٨٠", "65535"),
    ("SPACEKEY_PORT", "+80", "65535"),
    ("SPACEKEY_PORT", "9" * 5_000, "65535"),
    ("SPACEKEY_REDIS_URL", "localhost:6379", "redis://host:6379/0"),
    ("SPACEKEY_REDIS_URL", "unix://", "path"),
    ("SPACEKEY_REDIS_URL", "redis://", "host"),
    ("SPACEKEY_REDIS_URL", "redis://127.0.0.1:1/xyz", "database"),
    ("SPACEKEY_PROCESSES", "1_0", "1000"),
    ("SPACEKEY_PROCESSES", "0", "1000"),
    ("SPACEKEY_PROCESSES", "many", "1000"),
    ("SPACEKEY_TRUSTED_PROXIES", "10.0.0.0/8,proxy", "'proxy'"),
    ("SPACEKEY_TRUSTED_PROXIES", "10.0.0.1/8", "'10.0.0.1/8'"),
    ("SPACEKEY_GRAPHIQL", "maybe", "write 1"),
    ("SPACEKEY_API_PER_MINUTE", "0", "1000000"),
    ("SPACEKEY_API_BURST", "many", "1000000"),
    ("SPACEKEY_WORKSPACE_CREATION", "everyone", "operator or members"),
    ("SPACEKEY_WORKSPACES_OWNED_MAX", "0", "10000"),
    ("SPACEKEY_WORKSPACES_OWNED_MAX", "none", "10000"),
    ("SPACEKEY_CONNECTIONS", "0", "at least 1"),
    ("SPACEKEY_CONNECTIONS", "many", "at least 1"),
    ("SPACEKEY_HEADER_SECONDS", "0", "above 0"),
    ("SPACEKEY_HEADER_SECONDS", "1e3", "such as 10 or 0.5"),
    ("SPACEKEY_BODY_SECONDS", "inf", "such as 10 or 0.5"),
    ("SPACEKEY_BODY_SECONDS", "3601", "3600"),
    ("SPACEKEY_IDLE_SECONDS", "-1", "such as 10 or 0.5"),
    ("SPACEKEY_ANONYMOUS_CPU_MS", "0", "60000"),
    ("SPACEKEY_ANONYMOUS_CPU_MS_BURST", "60001", "60000"),
    ("SPACEKEY_IDLE_SECONDS", ".", "such as 10 or 0.5"),
    ("SPACEKEY_WORKERS", "0", "from 1 to 256"),
    ("SPACEKEY_WORKERS", "auto", "from 1 to 256"),
    ("SPACEKEY_OIDC_CLIENT_ID", "x", "SPACEKEY_OIDC_ISSUER"),
    ("SPACEKEY_OIDC_ROLES", "admins=ws_1:owner", "value=ws_…:role"),
    ("SPACEKEY_OIDC_ROLES", "admins", "'admins' is not of the form"),
    ("SPACEKEY_PASSWORD_SIGN_IN", "0", "SPACEKEY_OIDC_ISSUER"),
    ("SPACEKEY_PASSWORD_SIGN_IN", "no", "write 1"),
    ("SPACEKEY_IDENTITY_PROXIES", "10.0.0.1", "SPACEKEY_IDENTITY_HEADER"),
    ("SPACEKEY_IDENTITY_DOMAINS", "example.com", "SPACEKEY_IDENTITY_HEADER"),
    ("SPACEKEY_MAIL_FROM", "keys@example.com", "SPACEKEY_SMTP_URL"),
    ("SPACEKEY_METRICS_TOKEN", "short", "20 to 200 characters of ASCII without blanks"),
    ("SPACEKEY_SMTP_URL", "mail.example.com", "smtp://user:password@host:587"),
    ("SPACEKEY_SMTP_URL", "https://mail.example.com", "smtps://"),
    ("SPACEKEY_SMTP_URL", "smtp://user@mail.example.com", "both user and password"),
    ("SPACEKEY_SMTP_URL", "smtp://mail.example.com?ssl=1", "tls=off"),
    ("SPACEKEY_SMTP_URL", "smtp://u:p@mail.example.com?tls=off", "for all to read"),
    ("SPACEKEY_SMTP_URL", "smtp://mail.example.com:port", "smtp://user:password@host:587"),
]

WORKSPACE = f"ws_{'0' * 26}"
OIDC = {
    "SPACEKEY_PUBLIC_URL": "https://keys.example.com",
    "SPACEKEY_OIDC_ISSUER": "https://id.example.com/realms/acme",
    "SPACEKEY_OIDC_CLIENT_ID": "spacekey",
    "SPACEKEY_OIDC_CLIENT_SECRET": "s3cret",
    "SPACEKEY_OIDC_DOMAINS": "Acme.example, bücher.example",
    "SPACEKEY_OIDC_TITLE": "Acme",
    "SPACEKEY_OIDC_SCOPES": "openid email groups",
    "SPACEKEY_OIDC_ROLE_CLAIM": "groups",
    "SPACEKEY_OIDC_ROLES": f"admins={WORKSPACE}:owner, a=b={WORKSPACE}:viewer",
    "SPACEKEY_PASSWORD_SIGN_IN": "0",
}
HEADER = {
    "SPACEKEY_IDENTITY_HEADER": "X-Forwarded-User",
    "SPACEKEY_IDENTITY_HEADER_NAME": "X-Name",
    "SPACEKEY_IDENTITY_HEADER_EMAIL": "X-Email",
    "SPACEKEY_IDENTITY_PROXIES": "10.0.0.7, fd00::/8",
    "SPACEKEY_IDENTITY_DOMAINS": "acme.example",
}


MAIL = {
    "SPACEKEY_PUBLIC_URL": "https://keys.example.com",
    "SPACEKEY_SMTP_URL": "smtp://us%40er:p%3Aw@mail.example.com",
    "SPACEKEY_MAIL_FROM": "keys@example.com",
}


def test_a_mail_server_is_spoken_to_with_tls_unless_it_is_this_machine() -> None:
    url = Settings.from_environ(MAIL).smtp_url
    assert url is not None
    server = MailServer.parse(url)
    assert (server.port, server.is_tls, server.needs_tls, server.user) == (587, False, True, "us@er")
    assert server.password is not None
    assert server.password.reveal() == "p:w"
    assert "p:w" not in repr(server)
    assert "mail.example.com" not in repr(Settings.from_environ(MAIL))
    assert MailServer.parse("smtps://mail.example.com").port == 465
    assert not MailServer.parse("smtp://mail.example.com?tls=off").needs_tls
    assert not MailServer.parse("smtp://localhost:25").needs_tls
    assert MailServer.parse("smtp://u:p@localhost:25").needs_tls


def test_a_provider_is_made_of_its_settings() -> None:
    settings = Settings.from_environ(OIDC)
    identity = identity_of(settings)
    assert isinstance(identity, OpenIDConnect)
    assert (identity.title, identity.takes_passwords) == ("Acme", False)
    assert identity.issuer is not None
    assert identity.issuer.name == OIDC["SPACEKEY_OIDC_ISSUER"]
    assert sorted(identity.issuer.domains) == ["acme.example", "xn--bcher-kva.example"]
    assert settings.oidc_roles == (("admins", WORKSPACE, "owner"), ("a=b", WORKSPACE, "viewer"))
    assert "s3cret" not in repr(settings)


def test_a_proxys_header_is_made_of_its_settings() -> None:
    assert isinstance(identity_of(Settings.from_environ(HEADER)), TrustedHeader)
    assert isinstance(identity_of(Settings.from_environ({})), Passwords)


@pytest.mark.parametrize(
    ("base", "variable", "value", "remedy"),
    [
        (OIDC, "SPACEKEY_OIDC_ISSUER", "http://id.example.com", "https://"),
        (OIDC, "SPACEKEY_OIDC_CLIENT_ID", "", "write the id"),
        (OIDC, "SPACEKEY_OIDC_DOMAINS", "ada@acme.example", "not a domain"),
        (OIDC, "SPACEKEY_OIDC_DOMAINS", "*", "not a domain"),
        (OIDC, "SPACEKEY_OIDC_SCOPES", "email", "'openid' is needed"),
        (OIDC, "SPACEKEY_OIDC_ROLES", "", "go together"),
        (OIDC, "SPACEKEY_OIDC_ROLE_CLAIM", "", "go together"),
        (OIDC, "SPACEKEY_PUBLIC_URL", "", "sends people back"),
        (OIDC, "SPACEKEY_IDENTITY_HEADER", "X-User", "people come from one place"),
        (MAIL, "SPACEKEY_MAIL_FROM", "", "write the address"),
        (MAIL, "SPACEKEY_MAIL_FROM", "Spacekey", "write the address"),
        (MAIL, "SPACEKEY_PUBLIC_URL", "", "links in mails"),
        (HEADER, "SPACEKEY_IDENTITY_HEADER", "X_Forwarded_User", "name of a header"),
        (HEADER, "SPACEKEY_IDENTITY_HEADER", "Cookie", "browsers set"),
        (HEADER, "SPACEKEY_IDENTITY_PROXIES", "", "write the addresses"),
        (HEADER, "SPACEKEY_IDENTITY_PROXIES", "proxy", "such as 10.0.0.0/8"),
        (HEADER, "SPACEKEY_IDENTITY_PROXIES", "0.0.0.0/0", "every address"),
        (HEADER, "SPACEKEY_IDENTITY_DOMAINS", "*", "not a domain"),
    ],
)
def test_a_wrong_way_to_sign_in_names_the_variable_and_the_remedy(
    base: dict[str, str], variable: str, value: str, remedy: str
) -> None:
    with pytest.raises(ConfigurationError) as caught:
        identity_of(Settings.from_environ(base | {variable: value}))
    assert str(caught.value).startswith(f"{variable}: ")
    assert remedy in str(caught.value)


@pytest.mark.parametrize(("variable", "value", "remedy"), WRONG)
def test_a_wrong_value_names_the_variable_and_the_remedy(variable: str, value: str, remedy: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        Settings.from_environ({variable: value})
    assert str(caught.value).startswith(f"{variable}: ")
    assert remedy in str(caught.value)


@pytest.mark.parametrize(("old", "new"), sorted(RENAMED.items()))
@pytest.mark.parametrize("suffix", ["", "_FILE"])
def test_a_renamed_setting_is_refused_with_its_new_name(old: str, new: str, suffix: str) -> None:
    with pytest.raises(ConfigurationError, match=f"^{old}{suffix} is called {new}{suffix} now$"):
        Settings.from_environ({old + suffix: "x"})
    assert new in variable_names()


def test_an_unknown_variable_is_refused_with_near_matches() -> None:
    with pytest.raises(ConfigurationError, match=r"SPACEKEY_DATABSE_URL: .*'SPACEKEY_DATABASE_URL'"):
        Settings.from_environ({"SPACEKEY_DATABSE_URL": "sqlite:///x.db", "PATH": "/bin"})


def test_every_variable_is_read() -> None:
    settings = Settings.from_environ(
        {
            "SPACEKEY_DATABASE_URL": "postgresql://me@host/db",
            "SPACEKEY_DATABASE_SCHEMA": "spacekey",
            "SPACEKEY_PRODUCTS": "one.toml, two.toml",
            "SPACEKEY_HOST": "0.0.0.0",
            "SPACEKEY_PORT": "0",
            "SPACEKEY_PUBLIC_URL": "https://Keys.example.com/",
            "SPACEKEY_LOG_LEVEL": "DEBUG",
            "SPACEKEY_TRUSTED_PROXIES": "10.0.0.0/8, ::1",
            "SPACEKEY_REDIS_URL": "redis://:secret@cache:6379/1",
            "SPACEKEY_PROCESSES": "4",
            "SPACEKEY_OWNER_EMAIL": "ann@example.com",
            "SPACEKEY_OWNER_PASSWORD": "",
            "SPACEKEY_GRAPHIQL": "1",
            "SPACEKEY_OPERATOR": " Ada ",
        }
    )
    assert settings == Settings(
        database_url="postgresql://me@host/db",
        database_schema="spacekey",
        products=(Path("one.toml"), Path("two.toml")),
        host="0.0.0.0",
        port=0,
        public_url="https://Keys.example.com/",
        log_level="debug",
        trusted_proxies=("10.0.0.0/8", "::1"),
        redis_url="redis://:secret@cache:6379/1",
        processes=4,
        owner_email="ann@example.com",
        graphiql=True,
        operator="Ada",
    )
    assert settings.public == PublicUrl("https://keys.example.com")


def test_without_any_variable_the_four_examples_are_served_from_sqlite() -> None:
    settings = Settings.from_environ({})
    assert settings.database_url == "sqlite:///data/spacekey.db"
    assert set(load_products(settings.products)) == set(EXAMPLES)


def test_no_repr_and_no_error_shows_a_password() -> None:
    settings = Settings(
        database_url="postgresql://me:hunter2hunter2@host/db",
        redis_url="redis://:hunter2hunter2@host",
        owner_password=Secret("hunter2hunter2"),
    )
    assert "hunter2" not in repr(settings)
    with pytest.raises(ConfigurationError) as caught:
        Settings(database_url="mysql://me:hunter2hunter2@host/db")
    assert "hunter2" not in str(caught.value)
    with pytest.raises(ConfigurationError) as caught:
        Settings(redis_url="redis://:hunter2@/xyz")
    assert "hunter2" not in str(caught.value)


def test_an_option_of_the_redis_url_that_is_none_names_the_variable_at_start() -> None:
    settings = Settings(redis_url="redis://host?hunter=2")
    with pytest.raises(ConfigurationError, match=r"^SPACEKEY_REDIS_URL: .*option") as caught:
        build_limiter(settings, Metrics())
    assert "hunter" not in str(caught.value)


def test_every_setting_is_documented_and_nothing_else_is() -> None:
    documented = {line.split("`")[1] for line in DOCS.read_text().splitlines() if line.startswith("| `SPACEKEY_")}
    assert documented == {*variable_names(), *COMMAND_LINE_VARIABLES}


SERVICE_NAMES = st.one_of(
    st.just("spacekey"), st.from_regex(r"spacekey-[a-z0-9]([a-z0-9-]{0,20}[a-z0-9])?", fullmatch=True)
)
"""Names of Services (RFC 1035 labels) whose variables begin with our prefix."""


def kubernetes_variables(service: str, port: int, protocol: str, port_name: str) -> dict[str, str]:
    """What a pod finds in its environment for one Service (Kubernetes, "Accessing the Service")."""
    name = service.upper().replace("-", "_")
    named = {f"{name}_SERVICE_PORT_{port_name.upper().replace('-', '_')}": str(port)} if port_name else {}
    link = f"{name}_PORT_{port}_{protocol.upper()}"
    url = f"{protocol}://10.96.0.12:{port}"
    return {
        f"{name}_SERVICE_HOST": "10.96.0.12",
        f"{name}_SERVICE_PORT": str(port),
        **named,
        f"{name}_PORT": url,
        link: url,
        f"{link}_PROTO": protocol,
        f"{link}_PORT": str(port),
        f"{link}_ADDR": "10.96.0.12",
    }


@given(
    SERVICE_NAMES,
    st.integers(1, 65_535),
    st.sampled_from(["tcp", "udp", "sctp"]),
    st.one_of(st.just(""), st.from_regex(r"[a-z0-9]([a-z0-9-]{0,13}[a-z0-9])?", fullmatch=True)),
)
def test_variables_of_kubernetes_services_are_not_settings(service: str, port: int, protocol: str, name: str) -> None:
    given_by_kubernetes = kubernetes_variables(service, port, protocol, name)
    assert Settings.from_environ(given_by_kubernetes) == Settings()
    own = {"SPACEKEY_LOG_LEVEL": "debug", "SPACEKEY_HOST": "0.0.0.0"}
    assert Settings.from_environ(given_by_kubernetes | own) == Settings.from_environ(own)


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("SPACEKEY_PORT", "http://10.96.0.12:8000"),
        ("SPACEKEY_PORT", "tcp:8000"),
        ("SPACEKEY_SMTP_PORT", "25"),
        ("SPACEKEY_REDIS_HOST", "cache"),
        ("SPACEKEY_PORT_8000_ICMP", "tcp://10.96.0.12:8000"),
    ],
)
def test_what_kubernetes_does_not_set_is_still_refused(variable: str, value: str) -> None:
    with pytest.raises(ConfigurationError, match=variable):
        Settings.from_environ({variable: value})


def test_no_setting_has_the_name_of_a_service_link() -> None:
    clashing = {name for name in variable_names() if is_service_link(name, "tcp://10.96.0.12:8000")}
    assert clashing == {"SPACEKEY_PORT"}  # told apart by its value


SECRETS = {"SPACEKEY_OWNER_PASSWORD", "SPACEKEY_OIDC_CLIENT_SECRET", "SPACEKEY_METRICS_TOKEN"}
NEEDED = {f"SPACEKEY_{name}" for name in ("OIDC_ISSUER", "OIDC_CLIENT_ID", "OIDC_ROLE_CLAIM", "OIDC_ROLES")}
NEEDED |= {"SPACEKEY_IDENTITY_HEADER", "SPACEKEY_IDENTITY_PROXIES", "SPACEKEY_SMTP_URL", "SPACEKEY_MAIL_FROM"}
"""Settings that others of theirs do not go without."""


@pytest.mark.parametrize("variable", sorted(set(variable_names()) - SECRETS))
def test_every_setting_can_be_handed_over_in_a_file(variable: str, tmp_path: Path) -> None:
    values = {
        "SPACEKEY_DATABASE_URL": "sqlite:///other.db",
        "SPACEKEY_HOST": "0.0.0.0",
        "SPACEKEY_PORT": "9",
        "SPACEKEY_PROCESSES": "2",
        "SPACEKEY_GRAPHIQL": "1",
        "SPACEKEY_API_PER_MINUTE": "60",
        "SPACEKEY_API_BURST": "6",
        "SPACEKEY_WORKSPACE_CREATION": "members",
        "SPACEKEY_WORKSPACES_OWNED_MAX": "5",
        "SPACEKEY_WORKSPACE_PRODUCTS": "spooled",
        "SPACEKEY_LOG_LEVEL": "debug",
        "SPACEKEY_REDIS_URL": "redis://cache:6379/1",
        "SPACEKEY_PUBLIC_URL": "https://keys.example.com",
        "SPACEKEY_TRUSTED_PROXIES": "10.0.0.0/8",
        "SPACEKEY_PRODUCTS": "one.toml",
        "SPACEKEY_OWNER_EMAIL": "ann@example.com",
        "SPACEKEY_CONNECTIONS": "100",
        "SPACEKEY_HEADER_SECONDS": "1",
        "SPACEKEY_BODY_SECONDS": "2.5",
        "SPACEKEY_IDLE_SECONDS": "0.5",
        "SPACEKEY_ANONYMOUS_CPU_MS": "1000",
        "SPACEKEY_GRAPHQL_COST_PER_MINUTE": "5000",
        "SPACEKEY_ANONYMOUS_COST_PER_MINUTE": "3000",
        "SPACEKEY_ANONYMOUS_CPU_MS_BURST": "5000",
        "SPACEKEY_WORKERS": "4",
        "SPACEKEY_OPERATOR": "Ada",
        "SPACEKEY_DATABASE_SCHEMA": "keys",
        "SPACEKEY_CORS_ORIGINS": "https://app.example.com",
        **OIDC,
        **HEADER,
        **MAIL,
    }
    beside = {"SPACEKEY_DATABASE_URL": "postgresql://host/db"} if variable == "SPACEKEY_DATABASE_SCHEMA" else {}
    for group in (OIDC, HEADER, MAIL):
        if variable in group and variable != "SPACEKEY_PUBLIC_URL":
            beside = {name: value for name, value in group.items() if name != variable}
    file = tmp_path / "value"
    file.write_bytes(codecs.BOM_UTF8 + values[variable].encode() + b"\r\n")
    read = Settings.from_environ({f"{variable}_FILE": str(file), **beside})
    assert read == Settings.from_environ({variable: values[variable], **beside})
    if variable in NEEDED:
        with pytest.raises(ConfigurationError):
            Settings.from_environ(beside)
    else:
        assert read != Settings.from_environ(beside)


def test_a_password_from_a_file_has_no_line_end_and_keeps_its_blanks(tmp_path: Path) -> None:
    file = tmp_path / "password"
    file.write_bytes(b" correct horse battery staple \r\n")
    settings = Settings.from_environ({"SPACEKEY_OWNER_PASSWORD_FILE": str(file)})
    assert settings.owner_password is not None
    assert settings.owner_password.reveal() == " correct horse battery staple "


def test_a_file_and_a_value_for_one_setting_are_refused(tmp_path: Path) -> None:
    (tmp_path / "port").write_text("9")
    with pytest.raises(ConfigurationError, match=r"SPACEKEY_PORT_FILE: SPACEKEY_PORT is set too"):
        Settings.from_environ({"SPACEKEY_PORT": "8", "SPACEKEY_PORT_FILE": str(tmp_path / "port")})


@pytest.mark.parametrize(
    ("environ", "message"),
    [
        ({"SPACEKEY_OWNER_PASSWORD_FILE": "/nowhere"}, "SPACEKEY_OWNER_PASSWORD_FILE: cannot be read: No such file"),
        ({"SPACEKEY_OWNER_PASSWORD": "two\nlines"}, "SPACEKEY_OWNER_PASSWORD: holds several lines"),
        ({"SPACEKEY_OWNER_PASSWORD": "caf\udce9"}, "SPACEKEY_OWNER_PASSWORD: holds control characters or is not UTF-8"),
        ({"\ufeffSPACEKEY_PORT": "8"}, "SPACEKEY_PORT: the file it stands in begins with a byte order mark"),
        ({"SPACEKEY_PROT_FILE": "x"}, "SPACEKEY_PROT_FILE: there is no such setting"),
    ],
)
def test_a_value_that_cannot_be_read_says_why_and_never_shows_itself(environ: dict[str, str], message: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        Settings.from_environ(environ)
    assert str(caught.value).startswith(message)
    assert not any(value in str(caught.value) for value in environ.values() if value != "x")


def test_all_wrong_settings_are_told_at_once_and_what_follows_from_one_is_none() -> None:
    wrong = {
        "SPACEKEY_PORT": "http",
        "SPACEKEY_HOST": "two words",
        "SPACEKEY_LOG_LEVEL": "loud",
        "SPACEKEY_PROT": "1",
        "SPACEKEY_OIDC_ISSUER": "https://id.example.com",
        "SPACEKEY_OIDC_CLIENT_ID_FILE": "/nowhere",
        "SPACEKEY_PUBLIC_URL": "https://keys.example.com",
    }
    with pytest.raises(ConfigurationError) as caught:
        Settings.from_environ(wrong)
    told = [str(error) for error in caught.value.each()]
    assert sorted(one.partition(":")[0] for one in told) == [
        "SPACEKEY_HOST",
        "SPACEKEY_LOG_LEVEL",
        "SPACEKEY_OIDC_CLIENT_ID_FILE",
        "SPACEKEY_PORT",
        "SPACEKEY_PROT",
    ]
    assert str(caught.value) == "\n".join(told)


ALONE = re.compile(r"SPACEKEY_(?!OIDC|IDENTITY|MAIL|SMTP|PASSWORD_SIGN_IN|PUBLIC_URL|DATABASE_SCHEMA)")
"""Settings that are right or wrong by themselves."""


@given(chosen=st.sets(st.sampled_from([one[:2] for one in WRONG if ALONE.match(one[0])]), min_size=1))
def test_every_wrong_setting_is_named_whatever_else_is_wrong(chosen: set[tuple[str, str]]) -> None:
    environ = dict(chosen)
    with pytest.raises(ConfigurationError) as caught:
        Settings.from_environ(environ)
    assert set(environ) == {str(error).partition(":")[0] for error in caught.value.each()}
