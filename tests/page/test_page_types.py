"""The page's scripts, checked by TypeScript: JSDoc types, no unused name, no missing property."""

import json
import os
import shutil
import subprocess

import pytest

import striate.page

ASSETS = os.path.join(os.path.dirname(striate.page.__file__), "assets")
OPTIONS = {
    "checkJs": True, "allowJs": True, "noEmit": True, "target": "es2022", "module": "es2022",
    "moduleResolution": "node", "lib": ["es2022", "dom", "dom.iterable"], "noUnusedLocals": True,
    "noImplicitReturns": False, "baseUrl": ".",
}  # fmt: skip

pytestmark = pytest.mark.slow


def complaints(tsc, folder, scripts):
    """What tsc says of a folder of scripts that name each other "striate/NAME"."""
    options = OPTIONS | {"paths": {"striate/*": [f"{scripts}/*"]}}
    (folder / "tsconfig.json").write_text(json.dumps({"compilerOptions": options, "include": [f"{scripts}/*.js"]}))
    done = subprocess.run([tsc, "-p", str(folder)], capture_output=True, text=True, check=False)
    return done.stdout.replace(str(scripts), "").splitlines()


def test_every_script_is_typed(tsc, tmp_path):
    assert complaints(tsc, tmp_path, ASSETS) == []


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        ("state.read().unti", "TS2339"),
        ("net.size(3)", "TS2345"),
        ("net.flat([1], [2], 3)", "TS2554"),
        ("state.nothing()", "TS2339"),
    ],
)
def test_a_fault_is_found(tsc, tmp_path, fault, code):
    scripts = tmp_path / "scripts"
    shutil.copytree(ASSETS, scripts)
    lines = f"import * as state from 'striate/state'\nimport * as net from 'striate/ops'\nvoid [net, state, {fault}]\n"
    (scripts / "fault.js").write_text(lines)
    found = complaints(tsc, tmp_path, scripts)
    assert len(found) == 1
    assert "fault.js(3," in found[0]
    assert code in found[0]
