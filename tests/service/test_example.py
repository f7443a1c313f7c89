"""The example's container has what the runtime and the service need, and nothing that trains."""

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_the_container_installs_what_is_needed_and_no_torch():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    core = {one for one in project["dependencies"] if not one.startswith(("torch", "safetensors"))}
    extras = {one for name in ("runtime", "serve") for one in project["optional-dependencies"][name]}
    text = (ROOT / "examples/serve/Dockerfile").read_text()
    assert set(re.findall(r'"([\w.-]+>=[\d.,<]+)"', text)) == core | extras
    assert "--no-deps" in text


def test_the_container_says_what_the_command_takes():
    from striate.cli.main import VERBS

    text = (ROOT / "examples/serve/Dockerfile").read_text()
    assert 'ENTRYPOINT ["striate", "serve"]' in text
    assert "serve" in VERBS
    assert "/ready" in text
    assert "STRIATE_TOKEN" in (ROOT / "examples/serve/compose.yaml").read_text()
