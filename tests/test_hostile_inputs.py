"""Each of 400 inputs that were made to do harm ends in one clear message or a right answer, for little memory and time.

What they are is in :mod:`hostile_inputs`; ``bench/hostile.py`` prints what each kind costs.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from hostile_inputs import CASES

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="measures and limits as Linux does")
PROBE = Path(__file__).with_name("hostile_probe.py")


def fault(found):
    """What is wrong with how a case ended; nothing where it is as it should be."""
    code, said = found["code"], found["said"]
    faults = {
        "ended by": code if type(code) is not int or code not in range(5) else "",
        "a traceback": "Traceback" in said,
        "out of memory": "out of memory" in said or "not enough memory" in said,
        "memory": found["memory"] if found["memory"] > 400_000_000 else "",
        "control characters": [c for c in said if not c.isprintable() and c != "\n"],
        "no message": code and "striate: " not in said and found["words"][0] != "doctor",
        "too many messages": said.count("striate: ") > 1 or found["length"] > 4000,
        "a program was run": found["pwned"],
    }
    return {what: value for what, value in faults.items() if value}


@pytest.mark.slow
def test_hostile_inputs(tmp_path):
    assert len(CASES) > 400
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    ran = subprocess.run(
        [sys.executable, str(PROBE), str(tmp_path), "1"],
        stdin=subprocess.DEVNULL, capture_output=True, text=True, env=environment, check=False,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr[-3000:]
    found = {one["name"]: fault(one) for one in map(json.loads, ran.stdout.splitlines())}
    assert len(found) == len(CASES)
    assert {name: faults for name, faults in found.items() if faults} == {}
