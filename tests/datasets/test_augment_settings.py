from dataclasses import fields, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from striate.datasets.augment import PRESETS, Augment
from striate.errors import RecipeError
from striate.model.contract import Contract

flips = st.sampled_from(("no", "random", "alternate"))
parts = st.floats(0, 1)
lengths = st.floats(0, 1) | st.integers(1, 64)
augments = st.builds(
    Augment,
    shift=lengths,
    flip=flips,
    vflip=flips,
    rotate=st.floats(0, 180),
    scale=parts,
    brightness=parts,
    contrast=parts,
    colour=parts,
    cutout=lengths,
    mixup=st.floats(0, 0.5),
    cutmix=st.floats(0, 0.5),
)
IMAGES = Contract(("cat", "dog"), (3, 32, 32), "RGB", (0.5,) * 3, (0.25,) * 3)


@given(augments)
def test_the_text_of_a_value_is_read_as_the_same_value(augment):
    again = Augment.parse(str(augment))
    for field in fields(Augment):
        value = getattr(augment, field.name)
        wanted = value if isinstance(value, str) else pytest.approx(value, rel=1e-11)
        assert getattr(again, field.name) == wanted
    assert str(again) == str(augment)


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_is_its_name_and_its_text(name):
    assert Augment.parse(name) == PRESETS[name] == Augment.parse(str(PRESETS[name]))


def test_presets_grow_and_never_mix_answers():
    def set_fields(name):
        return {f.name for f in fields(Augment) if getattr(PRESETS[name], f.name) != f.default}

    assert set_fields("none") == set()
    assert set_fields("none") < set_fields("light") < set_fields("standard") < set_fields("strong")
    assert not any(preset.mixes for preset in PRESETS.values())


def test_settings_change_a_preset():
    assert Augment.parse("standard flip=no") == replace(PRESETS["standard"], flip="no")
    assert Augment.parse("strong,mixup=0.2, rotate=0") == replace(PRESETS["strong"], mixup=0.2, rotate=0)
    assert Augment.parse("shift=4 flip=alternate rotate=10 cutout=8") == Augment(4, "alternate", rotate=10, cutout=8)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("strnog", "augment: no preset or setting named 'strnog'; did you mean 'strong'?"),
        ("rotat=10", "augment: no setting named 'rotat'; did you mean 'rotate'?"),
        ("color=0.2", "augment: no setting named 'color'; did you mean 'colour'?"),
        ("light qqq", "augment: no setting named 'qqq'; it is one of shift, flip, vflip, rotate"),
        ("rotate", "augment: rotate has no value; write such as rotate=0.1"),
        ("flip", "augment: flip has no value; write such as flip=alternate"),
        ("flip=no standard", "augment: the preset 'standard' comes first and alone"),
        ("flip=altrenate", "augment: flip is 'altrenate'; did you mean 'alternate'?"),
        ("flip=yes", "augment: flip is 'yes'; it is one of no, random, alternate"),
        ("rotate=ten", "augment: rotate must be a number, got 'ten'"),
        ("rotate=200", "augment: rotate must be from 0 to 180, got 200.0"),
        ("rotate=nan", "augment: rotate must be from 0 to 180, got nan"),
        ("scale=-0.1", "augment: scale must be from 0 to 1, got -0.1"),
        ("shift=1.5", "augment: shift is 1.5; below 1 it is a fraction of the image's side, above whole pixels"),
        ("mixup=0.6 cutmix=0.6", "augment: mixup 0.6 and cutmix 0.6 are fractions of the images, together at most 1"),
        ("shift=1 shift=2", "augment: shift is in 'shift=1 shift=2' twice; omit one"),
    ],
)
def test_a_mistake_is_answered_in_words(text, message):
    with pytest.raises(RecipeError) as error:
        Augment.parse(text)
    assert str(error.value).startswith(message)


EVERYTHING = replace(PRESETS["strong"], vflip="random", mixup=0.3, cutmix=0.3)


def left_out(contract, augment=EVERYTHING):
    suited, notes = augment.suited(contract)
    off = {f.name for f in fields(Augment) if getattr(suited, f.name) != getattr(augment, f.name)}
    assert off == {f.name for f in fields(Augment) if getattr(augment, f.name) != f.default and not_set(suited, f)}
    return off, " ".join(notes)


def not_set(augment, field):
    return getattr(augment, field.name) == field.default


def test_classes_of_images_take_everything_and_flips_are_said():
    off, notes = left_out(IMAGES)
    assert off == set()
    assert "flipped left to right; where that changes the label (digits, letters), add flip=no" in notes
    assert "flipped upside down" in notes
    assert Augment.parse("standard flip=no").suited(IMAGES)[1] == ()


def test_segmentation_takes_everything_but_mixing():
    contract = replace(IMAGES, task="segmentation", mask_values=(0, 1))
    off, notes = left_out(contract)
    assert off == {"mixup", "cutmix"}
    assert "without mixup, cutmix: masks are not mixed" in notes


def regression(classes, positions):
    ones = (1.0,) * len(classes)
    return replace(IMAGES, task="regression", classes=classes, target_mean=ones, target_std=ones, positions=positions)


def test_a_single_position_moves_with_everything_that_moves():
    off, notes = left_out(regression(("x", "y"), ((0, 1),)))
    assert off == {"mixup", "cutmix", "cutout"}
    assert "without mixup, cutmix, cutout: the values to predict would not be in the image" in notes


def test_several_positions_are_not_flipped():
    off, notes = left_out(regression(("lx", "ly", "rx", "ry"), ((0, 1), (2, 3))))
    assert off == {"mixup", "cutmix", "cutout", "flip", "vflip"}
    assert "without flip, vflip: a left and a right position would change places" in notes


@pytest.mark.parametrize("positions", [(), ((0, 1),)])
def test_values_that_are_no_positions_take_shifts_and_colours_alone(positions):
    off, notes = left_out(regression(("x", "y", "size"), positions))
    assert off == {"mixup", "cutmix", "cutout", "flip", "vflip", "rotate", "scale"}
    assert "they may change a value that is no position" in notes


@pytest.mark.parametrize(
    ("contract", "message"),
    [
        (Contract(("a", "b"), (9,), "text", (), (), vocabulary=("word",)), "and these are texts; use augment=none"),
        (Contract(("a", "b"), (2, 9), "values", (0.0,) * 2, (1.0,) * 2), "values whose meaning is not known"),
        (replace(IMAGES, input=(3, 4, 4)), "shift=4 pixels is too far for images of 4x4"),
    ],
)
def test_what_cannot_be_augmented_is_refused(contract, message):
    with pytest.raises(RecipeError, match=message.replace("(", r"\(")):
        Augment(shift=4).suited(contract)
    assert Augment().suited(contract) == (Augment(), ())


def test_presets_go_with_the_smallest_images():
    for preset in PRESETS.values():
        preset.suited(replace(IMAGES, input=(3, 1, 1)))
