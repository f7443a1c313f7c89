"""What is new in the test split and not in validation: a column, the folder, a part of the file names."""

from pathlib import Path

import numpy as np
import pytest

from striate.datasets import Part
from striate.datasets.dataset import DataSet
from striate.datasets.origins import new_origin
from striate.datasets.sources.folders_names import with_groups


def part(names, **more):
    paths = tuple(Path(name) for name in names)
    return Part(paths, np.zeros(len(paths), int), tuple(names), **more)


def digits(form, speakers, takes=6):
    return part([form.format(d=d, s=s, t=t) for s in speakers for d in range(3) for t in range(takes)])


FORMS = {
    "a part of the file name": ("x/{d}_{s}_{t}.png", "--group 'name:^[^_. -]+[_. -]+([^_. -]+)[_. -]'"),
    "folder": ("x/{s}/{d}-{t}.png", "--group parent"),
}


@pytest.mark.parametrize("what", FORMS)
def test_new_speakers_by_their_files(what):
    form, option = FORMS[what]
    train, val, test = digits(form, ["ann", "bob", "cy"]), digits(form, ["bob", "ann"], 1), digits(form, ["dee", "eve"])
    found = new_origin(train, val, test)
    assert (found.what, found.option, found.values) == (what, option, 2)
    assert found.remark().startswith(f"test is of 2 new values of {what}, validation of those that training has; wi")
    data = DataSet("d", "classification", ("a", "b"), "RGB", (3, 8, 8), train, val, test)
    grouped = with_groups(data, option.removeprefix("--group ").strip("'"))  # the option does what it says
    assert set(grouped.train.groups) == {"ann", "bob", "cy"}
    assert new_origin(*grouped.parts.values()) is None  # it is known then


def test_what_is_no_such_thing():
    form = "x/{d}_{s}_{t}.png"
    train, new = digits(form, ["ann", "bob", "cy"]), digits(form, ["dee", "eve"])
    assert new_origin(train, digits(form, ["ann"], 1), digits(form, ["ann", "bob"])) is None  # test has known ones
    assert new_origin(train, new, new) is None  # validation has new ones, too
    each = part([f"x/{i}_a.png" for i in range(30)])
    assert new_origin(each, each, part([f"x/{i}_a.png" for i in range(40, 60)])) is None  # a number of its own each
