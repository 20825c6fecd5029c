"""The groups in which the dashboard shows scopes, for names of every style."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest

DASHBOARD = Path(__file__).resolve().parents[3] / "dashboard"
GROUPS = {
    "jobs": ["jobs:read", "jobs.write", "jobs/all"],
    "User": ["User.Read"],
    "https://a.example/jobs": ["https://a.example/jobs/read", "https://a.example/jobs/write"],
    "https://a.example": ["https://a.example"],
    ":": [":"],
    "*": ["*"],
    "full_access": ["full_access"],
}


def test_scopes_are_grouped_by_what_they_are_about(tmp_path: Path) -> None:
    node = shutil.which("node")
    if node is None:
        pytest.skip("NO NODE: the dashboard's groups of scopes are NOT TESTED here; install node")
    for folder in ("base", "texts"):
        shutil.copytree(DASHBOARD / folder, tmp_path / folder)
    (tmp_path / "package.json").write_text('{"type": "module"}')
    names = json.dumps([{"name": name} for group in GROUPS.values() for name in group])
    (tmp_path / "browser.mjs").write_text('globalThis.navigator ??= { languages: ["en"] };')
    called = f"console.log(JSON.stringify(byResource({names})));"
    program = f'import "./browser.mjs"; import {{ byResource }} from "./base/expand.js"; {called}'
    (tmp_path / "main.mjs").write_text(program)
    done = subprocess.run([node, "main.mjs"], cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    assert {group: [one["name"] for one in scopes] for group, scopes in json.loads(done.stdout)} == GROUPS
