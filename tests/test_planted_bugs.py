"""The list of planted bugs stays true: each can be planted where it says, and the first of them are caught."""

from __future__ import annotations

import pytest

from planted_bugs import BUGS, Bug, caught, fault


@pytest.mark.slow
@pytest.mark.parametrize("bug", BUGS, ids=lambda bug: bug.name)
def test_its_line_is_there(bug: Bug) -> None:
    assert not fault(bug), "the line has changed: change tests/planted_bugs.py with it"
    assert "\n" not in bug.old.strip()
    assert "\n" not in bug.new.strip()


@pytest.mark.slow
@pytest.mark.parametrize("bug", BUGS[::7], ids=lambda bug: bug.name)
def test_some_are_caught(bug: Bug) -> None:
    assert caught(bug)


@pytest.mark.slow
def test_a_change_that_changes_nothing_is_missed() -> None:
    bug = BUGS[0]
    assert not caught(Bug(bug.name, bug.file, bug.old, f"{bug.old}  # the same", bug.tests))


def test_a_line_that_is_not_there_is_said() -> None:
    assert "0 times" in fault(Bug("none", "spec/text.py", "no such line", "", ""))
    assert "there is no" in fault(Bug("none", "spec/none.py", "", "", ""))
