"""Pages written by hand agree with the program: error codes, audit actions, messages, metrics, numbers, products."""

from __future__ import annotations

import ast
import dataclasses
import importlib
import re
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any, Literal

import pytest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import Gauge, Histogram, InMemoryMetricReader, Metric, Sum
from prometheus_client.parser import text_string_to_metric_families
from starlette.requests import HTTPConnection

import spacekey
from spacekey.domain import product_file, product_table
from spacekey.domain.authentication import Anonymous
from spacekey.domain.errors import ProductError
from spacekey.domain.page import PAGE_SIZE_MAX
from spacekey.domain.product_file import parse_product
from spacekey.domain.product_table import Table
from spacekey.domain.refusal import Conflict, ConflictCode, InputCode, UserError
from spacekey.domain.scope import SCOPE_LENGTH_MAX
from spacekey.domain.usage import UsageBatch
from spacekey.middleware.observability.metrics import AppMetrics, Family, Sample
from spacekey.middleware.observability.opentelemetry import Telemetry
from spacekey.middleware.usage.collector import UsageCollector
from spacekey.models.engine.store import Store
from spacekey.resolvers.accounts import sessions
from spacekey.resolvers.audit.log import ACTIONS
from spacekey.resolvers.audit.refusals import RefusalLog
from spacekey.resolvers.members import invitations
from spacekey.resolvers.passwords import hashing
from spacekey.resolvers.tokens import rotate
from spacekey.resolvers.workspaces import roles
from spacekey.schema.limits.operations import COST_MAX
from spacekey.schema.types import results
from spacekey.server.metrics import Metrics
from spacekey.server.settings import COMMAND_LINE_VARIABLES, Settings
from support.pages import ROOT, blocks_of
from support.world import make_world

# docs/reference/errors.md has every code that the program answers, with its status and a cure, and no other.


ERRORS = (ROOT / "docs" / "reference" / "errors.md").read_text(encoding="utf-8")
REST, GRAPHQL = ERRORS.split("## GraphQL")
UNIONS_ONLY = {"SCOPE_NOT_ALLOWED", "PLAN_LIMIT", "CONFLICT", "SIGN_IN_FAILED", "TOO_MANY_ATTEMPTS", "ALREADY_CREATED"}
"""Codes of refusals that only mutations raise, which answer them as members of unions."""
REST_ONLY = {"PRECONDITION_FAILED"}
"""Codes of refusals that depend on headers of REST."""


def _modules() -> Iterator[tuple[ast.Module, ModuleType]]:
    for folder in ("middleware", "schema", "server"):
        for file in sorted((ROOT / folder).rglob("*.py")):
            name = ".".join(("spacekey", *file.relative_to(ROOT).with_suffix("").parts)).removesuffix(".__init__")
            tree = ast.parse(file.read_text(encoding="utf-8"))
            if any(
                _name(call) in ("problem", "BadBody", "refused", "coded") for call in _calls(tree)
            ) or "extensions" in (file.read_text(encoding="utf-8")):
                yield tree, importlib.import_module(name)


def _calls(tree: ast.AST) -> Iterator[ast.Call]:
    return (node for node in ast.walk(tree) if isinstance(node, ast.Call))


def _name(call: ast.Call) -> str:
    return call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")


def _rest_codes() -> set[tuple[str, str]]:
    """The status and code of each problem document that the program can answer."""
    found = {("409", code.lower()) for code in ConflictCode}
    for tree, _ in _modules():
        for call in _calls(tree):
            if _name(call) in ("problem", "BadBody") and len(call.args) > 1:
                status, code = call.args[:2]
                if isinstance(status, ast.Constant) and isinstance(code, ast.Constant):
                    found.add((str(status.value), str(code.value)))
    return found


def _graphql_codes() -> set[str]:
    """The codes of GraphQL errors: arguments of ``refused`` and ``coded``, extensions, and refusals of queries."""
    found = {kind.code for kind in UserError.__subclasses__()} - UNIONS_ONLY - REST_ONLY
    for tree, module in _modules():
        calls = [call for call in _calls(tree) if isinstance(call.func, ast.Name)]
        coded = [call.args[0] for call in calls if _name(call) == "refused"]
        coded += [call.args[1] for call in calls if _name(call) == "coded"]
        for node in ast.walk(tree):
            if isinstance(node, ast.Dict):
                pairs = zip(node.keys, node.values, strict=True)
                coded += [value for key, value in pairs if isinstance(key, ast.Constant) and key.value == "code"]
        for node in coded:
            value = getattr(module, node.id, None) if isinstance(node, ast.Name) else getattr(node, "value", None)
            if isinstance(value, str) and value.isupper():
                found.add(value)
    return found


def _rows(text: str, pattern: str) -> list[tuple[str, ...]]:
    return re.findall(pattern, text, re.MULTILINE)


def test_every_rest_code_stands_with_its_status() -> None:
    listed = _rows(REST, r"^\| (\d+) \| `(\w+)` \|")
    assert len(listed) == len(set(listed))
    assert set(listed) == _rest_codes()


def test_every_code_of_an_input_is_listed() -> None:
    listed = [code for code, *_ in _rows(REST, r"^\| `(\w+)` \|()")]
    assert listed == [code.lower() for code in InputCode]


def test_every_graphql_code_is_listed() -> None:
    listed = [code for code, *_ in _rows(GRAPHQL, r"^\| `([A-Z_]+)` \|()")]
    assert len(listed) == len(set(listed))
    assert set(listed) == _graphql_codes()


def test_every_type_of_the_unions_is_listed_with_its_fields() -> None:
    listed = {
        name: set(re.findall(r"`(\w+)`", fields))
        for name, fields in _rows(GRAPHQL, r"^\| `([A-Z]\w+[a-z])` \| ([^|]*)\|")
    }
    kinds = [one for one in vars(results).values() if isinstance(one, type) and issubclass(one, results.UserError)]
    expected = {}
    for kind in kinds:
        if kind is not results.UserError:
            names = {field.name for field in dataclasses.fields(kind)} - {"message", "code"}
            expected[kind.__name__] = {re.sub(r"_(\w)", lambda match: match[1].upper(), name) for name in names}
    assert listed == expected


def test_every_code_has_a_meaning_and_a_cure() -> None:
    rows = [line for line in ERRORS.splitlines() if re.match(r"\| (\d+ \| `\w+`|`[A-Z_]+`|`[a-z_]+`) \|", line)]
    assert rows
    for row in rows:
        *_, meaning, cure = (cell.strip() for cell in row.strip("|").split("|"))
        assert meaning.endswith("."), row
        assert cure.endswith("."), row


def test_the_graphql_codes_of_results_are_those_of_rest_in_capitals() -> None:
    kinds = (
        {kind.code for kind in UserError.__subclasses__()} - {"CONFLICT", "INSUFFICIENT_SCOPE", "FORBIDDEN"} - REST_ONLY
    )
    assert {one.name for one in results.ErrorCode} == kinds | {code.name for code in ConflictCode}
    assert all(one.name == one.value for one in results.ErrorCode)


def test_every_refusal_of_the_python_package_is_there_with_its_code() -> None:
    listed = dict(re.findall(r"^- `(\w+)`, (?:`(\w+)`|a `ConflictCode`)", ERRORS.split("## Python")[1], re.MULTILINE))
    public = {name: getattr(spacekey, name) for name in spacekey.__all__}
    raised = {name: one for name, one in public.items() if isinstance(one, type) and issubclass(one, UserError)}
    assert listed == {name: "" if one is Conflict else one.code for name, one in raised.items() if one is not UserError}


# docs/how-to/audit.md lists every action that the audit log can have, and no other.


AUDIT = ROOT / "docs" / "how-to" / "audit.md"
ACTION = re.compile(
    r"(?:token|workspace|space|role|member|user|session|service|portal_session|settings|audit)\.[a-z_]+"
)


def _recorded() -> set[str]:
    """The actions that stand in the resolvers as texts, outside of the list of all of them."""
    found = set()
    for file in (ROOT / "resolvers").rglob("*.py"):
        text = file.read_text(encoding="utf-8")
        if file.name == "log.py":
            text = text.partition("ACTIONS = ")[0] + text.partition('"""All actions that an event can have."""')[2]
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and ACTION.fullmatch(node.value):
                found.add(node.value)
    return found


def test_the_list_of_all_actions_is_whole() -> None:
    assert _recorded() == ACTIONS


def test_every_action_is_listed() -> None:
    section = AUDIT.read_text(encoding="utf-8").partition("## Actions")[2].partition("\n## ")[0]
    listed = [
        name for row in re.findall(r"^\| (`[^|]+) \|", section, re.MULTILINE) for name in re.findall(r"`(.+?)`", row)
    ]
    assert len(listed) == len(set(listed))
    assert set(listed) == _recorded()


# Each message on docs/how-to/troubleshooting.md is one that the program can show.


TROUBLESHOOTING = ROOT / "docs" / "how-to" / "troubleshooting.md"
FOLDERS = ("domain", "middleware", "models", "resolvers", "schema", "server")


def _texts(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.JoinedStr):
        yield "".join(str(part.value) if isinstance(part, ast.Constant) else "…" for part in node.values)
    elif isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield re.sub(r"%[sdg]", "…", node.value)


@cache
def _said() -> tuple[str, ...]:
    """Every text in the program, with … for what is filled in."""
    files = [file for folder in FOLDERS for file in (ROOT / folder).rglob("*.py")]
    trees = [ast.parse(file.read_text(encoding="utf-8")) for file in files]
    return tuple(text for tree in trees for node in ast.walk(tree) for text in _texts(node))


def _messages() -> list[str]:
    text = TROUBLESHOOTING.read_text(encoding="utf-8")
    rows = re.findall(r"^\| `([^`]+)` \|", text, re.MULTILINE)
    return [*rows, *re.findall(r"^- `([^`]+\.)`", text, re.MULTILINE)]


@pytest.mark.parametrize("message", _messages())
def test_the_message_is_in_the_program(message: str) -> None:
    pattern = re.compile(".*".join(re.escape(part) for part in message.split("…")), re.DOTALL)
    assert any(pattern.search(text) for text in _said())


# docs/how-to/metrics.md names every metric there is, with its kind and its labels, and no other.


METRICS = Path(__file__).resolve().parents[2] / "docs" / "how-to" / "metrics.md"
NONE = "–"
KINDS: dict[str, Literal["counter", "gauge", "histogram"]] = {
    "counter": "counter",
    "gauge": "gauge",
    "histogram": "histogram",
}


def rows() -> list[list[str]]:
    """The table's cells."""
    text = METRICS.read_text(encoding="utf-8")
    table = [line for line in text.splitlines() if line.startswith("| `spacekey_")]
    return [[cell.strip().strip("`") for cell in line.strip("|").split("|")] for line in table]


class Nowhere:
    """A sink that keeps nothing."""

    async def send(self, batch: UsageBatch) -> None:
        """Forget it."""

    async def aclose(self) -> None:
        """Nothing to close."""


def families(metrics: AppMetrics) -> dict[str, Family]:
    """All that these can show."""
    metrics.follow(UsageCollector(Nowhere()))
    metrics.read(0.1, answered=True, staleness_seconds=1.0)
    return {family.name: family for family in metrics.families()}


def of_the_server(store: Store) -> dict[str, Family]:
    """All that the server can show."""
    metrics = Metrics()
    metrics.follow(UsageCollector(Nowhere()))
    metrics.follow_refusals(RefusalLog(make_world(store).system))
    metrics.request("GET", "/", 200)
    metrics.read(0.1, answered=True, staleness_seconds=1.0)
    shown = {}
    for metric in text_string_to_metric_families(metrics.text()):
        samples = [Sample(one.value, one.labels) for one in metric.samples]
        name = f"{metric.name}_total" if metric.type == "counter" else metric.name
        shown[name] = Family(name, KINDS[metric.type], metric.documentation, samples)
    return shown


def of_telemetry() -> dict[str, Metric]:
    """All that OpenTelemetry is told."""
    reader = InMemoryMetricReader()
    telemetry = Telemetry(meter_provider=MeterProvider([reader], shutdown_on_exit=False))
    telemetry.follow(UsageCollector(Nowhere()))
    telemetry.result(HTTPConnection({"type": "http"}), Anonymous())
    telemetry.hit()
    telemetry.read(0.1, answered=True, staleness_seconds=1.0)
    telemetry.limit_decision(True)
    telemetry.limits_fall_back(False)
    data = reader.get_metrics_data()
    assert data is not None
    found = [metric for one in data.resource_metrics for scope in one.scope_metrics for metric in scope.metrics]
    return {metric.name: metric for metric in found}


def test_the_table_has_every_metric_once_with_its_kind() -> None:
    known = families(AppMetrics()) | of_the_server(Store("sqlite:///never-opened.db"))
    assert [(name, kind) for name, _, kind, _ in rows()] == [
        (name, known[name].kind) for name, _, _, _ in rows() if name in known
    ]
    assert sorted(name for name, *_ in rows()) == sorted(known)


def test_what_only_the_server_or_only_an_app_shows_is_marked() -> None:
    app, server = set(families(AppMetrics())), set(of_the_server(Store("sqlite:///never-opened.db")))
    assert {name for name, *_, what in rows() if "(server only)" in what} == server - app
    assert {name for name, *_, what in rows() if "(apps only" in what} == app - server


def test_every_label_is_named() -> None:
    known = families(AppMetrics()) | of_the_server(Store("sqlite:///never-opened.db"))
    for name, _, _, what in rows():
        labels = {label for sample in known[name].samples for label in sample.labels} - {"le"}
        assert labels <= set(re.findall(r"`(\w+)`", what)), name


def test_opentelemetrys_names_and_kinds_are_those_of_the_table() -> None:
    kinds = {Sum: "counter", Gauge: "gauge", Histogram: "histogram"}
    told = {name: kinds[type(metric.data)] for name, metric in of_telemetry().items()}
    assert told == {name: kind for _, name, kind, _ in rows() if name != NONE}


# Defaults and bounds that pages name are those of the program.


DOCS = ROOT / "docs"
ROWS = [
    (variable, said)
    for variable, said in re.findall(
        r"^\| `SPACEKEY_(\w+)` \| ([^|]+) \|",
        (DOCS / "reference" / "settings.md").read_text(encoding="utf-8"),
        re.MULTILINE,
    )
    if f"SPACEKEY_{variable}" not in COMMAND_LINE_VARIABLES
]
DAY = 86_400
WORDS = {7: "seven"}


@pytest.mark.parametrize(("variable", "said"), ROWS, ids=[variable for variable, _ in ROWS])
def test_the_default_of_a_setting_is_the_one_in_the_table(variable: str, said: str) -> None:
    (field,) = (one for one in dataclasses.fields(Settings) if one.name.upper() == variable)
    default = field.default
    if default in (None, (), dataclasses.MISSING):
        assert not said.startswith("`")
    else:
        assert said == f"`{int(default) if isinstance(default, float | bool) else default}`"


def _default(name: str) -> str:
    (field,) = (one for one in dataclasses.fields(Settings) if one.name == name)
    return f"{field.default:,}"


@pytest.mark.parametrize(
    ("page", "sentence"),
    [
        ("how-to/graphql-api.md", f"{_default('api_per_minute')} a minute, {_default('api_burst')} at once"),
        ("how-to/graphql-api.md", f"cost of one operation | {COST_MAX:,},"),
        ("how-to/graphql-api.md", f"| {_default('graphql_cost_per_minute')} for a token or person,"),
        ("how-to/graphql-api.md", f"{_default('anonymous_cost_per_minute')} for a network"),
        ("how-to/graphql-api.md", f"a page | {PAGE_SIZE_MAX} rows"),
        ("how-to/limits.md", f"An operation of more than {COST_MAX:,} is refused."),
        (
            "how-to/members.md",
            f"lasts {sessions.ABSOLUTE.days} days, and ends after {sessions.IDLE.seconds // 3600} hours",
        ),
        ("how-to/members.md", f"once, within {invitations.INVITATION_LIFETIME.days} days"),
        ("how-to/members.md", f"at least {hashing.LENGTH_MIN} characters, of which {hashing.LEFT_OVER_MIN} must"),
        ("how-to/members.md", f"at most {roles.ROLES_MAX}."),
        ("how-to/rotate.md", f"at most {WORDS[rotate.GRACE_SECONDS_MAX // DAY]} days"),
    ],
)
def test_a_number_in_the_text_is_the_programs(page: str, sentence: str) -> None:
    text = " ".join((DOCS / page).read_text(encoding="utf-8").split())
    assert sentence in text


# docs/reference/product-file.md has every key that the parser knows, with its limits, and its examples parse.


PRODUCT_FILE = ROOT / "docs" / "reference" / "product-file.md"
QUICKSTART = ROOT / "docs" / "tutorial" / "quickstart.md"
TEXT = PRODUCT_FILE.read_text(encoding="utf-8")
EXAMPLES = [block.text for block in blocks_of(PRODUCT_FILE) if block.language == "toml"]
NAMED = ("shorthands", "presets", "roles", "plans", "key_formats")
"""Sections whose tables have names of the author's."""


def _sections() -> Iterator[tuple[str, set[str]]]:
    """The keys that the page lists in each section."""
    for title, text in re.findall(r"^## (.+?)\n(.*?)(?=^## |\Z)", TEXT, re.MULTILINE | re.DOTALL):
        name = "" if title == "Top level" else title.strip("`[]").partition(".")[0]
        keys = set(re.findall(r"^\| `(\w+)` \|", text, re.MULTILINE))
        if name == "" or title.startswith("`["):
            yield name, keys


def _read_keys(monkeypatch: pytest.MonkeyPatch, text: str) -> dict[str, set[str]]:
    """The keys that the parser asks for in each section of a file; it asks for those that are left out too."""
    asked: dict[str, set[str]] = {}
    get = Table._get

    def recording(table: Table, key: str, default: Any) -> Any:
        section = re.sub(r"\[\d+\]$", "", table._path).partition(".")[0]
        if table._path not in (
            *NAMED,
            "scopes",
            "presentation.scopes",
            "presentation.texts",
        ):  # their keys are names, not words of the format
            asked.setdefault(section, set()).add(key)
        return get(table, key, default)

    with monkeypatch.context() as patched:
        patched.setattr(Table, "_get", recording)
        parse_product(text, "product.toml")
    return asked


def test_each_section_lists_the_keys_that_the_parser_knows(monkeypatch: pytest.MonkeyPatch) -> None:
    listed = {name: keys for name, keys in _sections() if name != "scopes"}
    assert listed == _read_keys(monkeypatch, EXAMPLES[0])


def test_the_first_example_has_every_section_and_key() -> None:
    whole = tomllib.loads(EXAMPLES[0])
    for name, keys in _sections():
        if name in NAMED:
            used = {key for table in whole[name].values() for key in table}
        elif name == "use_cases":
            used = {key for table in whole[name] for key in table}
        elif name == "presentation":
            shown = whole[name]
            parts = [shown, shown["navigation"], *shown["scopes"].values(), *shown["links"]]
            used = {key for part in parts for key in part}
        else:
            used = set(whole if name == "" else whole[name])
        assert keys <= used, name


@pytest.mark.parametrize("example", EXAMPLES, ids=range(len(EXAMPLES)))
def test_every_example_parses_by_itself_or_as_a_part_of_the_first(example: str) -> None:
    whole = EXAMPLES[0]
    if "name" not in tomllib.loads(example):
        header, _, body = example.partition("\n")
        added = [line for line in body.splitlines() if line not in whole]
        assert added
        example = whole.replace(f"{header}\n", "\n".join([header, *added, ""]))
    parse_product(example, "product.toml")


def test_the_limits_are_those_of_the_code() -> None:
    for number, what in (
        (product_table.TEXT_LENGTH_MAX, "characters"),
        (product_table.ENTRIES_MAX, "entries"),
        (product_file.PRODUCT_BYTES_MAX, "bytes"),
        (product_file.PRODUCTS_MAX, "files"),
        (SCOPE_LENGTH_MAX, "characters"),
    ):
        assert f"at most {number:,} {what}" in TEXT


def test_required_means_required() -> None:
    top = TEXT.partition("## `[tokens]`")[0]
    said = dict(re.findall(r"^\| `(\w+)` \| [^|]+ \| ([^|]+) \|", top, re.MULTILINE))
    required = {key for key, default in said.items() if default == "required"}
    smallest = next(block.text for block in blocks_of(QUICKSTART) if block.language == "toml")
    parse_product(smallest, "product.toml")
    assert set(tomllib.loads(smallest)) == required
    for key in required:
        with pytest.raises(ProductError) as caught:
            parse_product(_without(smallest, key), "product.toml")
        assert caught.value.key == key


def _without(text: str, key: str) -> str:
    """The file without a key or table at its top level."""
    parts = re.split(r"(?=^\[)", text, flags=re.MULTILINE)
    kept = [part for part in parts if re.match(rf"\[{key}[].]", part) is None]
    return re.sub(rf"^{key} = .*$", "", "".join(kept), count=1, flags=re.MULTILINE)
