"""What augmentation does to pixels, masks and positions, against known answers that it did not compute."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageEnhance

from striate.datasets.augment import Augment, DrawnChanges, changed, draw_changes, draw_mixing
from striate.datasets.batches import Batches
from striate.datasets.dataset import Arrays
from striate.model.contract import Contract

RNG = np.random.default_rng(0)
PHOTOS = torch.from_numpy(RNG.integers(0, 256, (12, 3, 9, 7), dtype=np.uint8))
MEAN = (0.2, 0.4, 0.6)


def drawn(n=1, shift=(0, 0), flip=(False, False), angle=0.0, scale=1.0, factors=(1, 1, 1), cutout=(0, 0)):
    """Draws that are alike for n images."""
    cos, sin = math.cos(math.radians(angle)) * scale, math.sin(math.radians(angle)) * scale
    linear = np.array([[cos, sin], [-sin, cos]]) * np.where(flip, -1.0, 1.0)
    values = (np.array(shift), np.array(flip), linear, np.array(factors, float), np.array(cutout))
    return DrawnChanges(*(np.stack([v] * n) for v in values))


def one(image, augment, draws, **more):
    return changed(image, augment, draws, mean=MEAN[: image.shape[1]], **more)


@given(st.integers(-8, 8), st.integers(-10, 10), st.booleans(), st.booleans())
def test_flips_and_shifts_copy_pixels_and_repeat_the_edge(dx, dy, left, up):
    image = PHOTOS[:1]
    got, _, _ = one(image, Augment(shift=10, flip="random"), drawn(shift=(dx, dy), flip=(left, up)))
    pixels = image.numpy()[:, :, :: -1 if up else 1, :: -1 if left else 1]
    padded = np.pad(pixels, ((0, 0), (0, 0), (10, 10), (10, 10)), mode="edge")
    assert np.array_equal(got.numpy(), padded[:, :, 10 - dy : 19 - dy, 10 - dx : 17 - dx])


@given(st.integers(-8, 8), st.integers(-10, 10), st.booleans(), st.booleans())
def test_the_warp_without_rotation_is_the_copy(dx, dy, left, up):
    draws = drawn(2, shift=(dx, dy), flip=(left, up))
    masks = PHOTOS[:2, 0] // 64
    copied = one(PHOTOS[:2], Augment(shift=10), draws, masks=masks)
    warped = one(PHOTOS[:2], Augment(shift=10, rotate=1), draws, masks=masks)
    assert torch.equal(copied[0], warped[0])
    assert torch.equal(copied[1], warped[1])


@pytest.mark.parametrize(("angle", "turns"), [(90, 1), (180, 2), (-90, -1)])
def test_a_quarter_turn_is_numpys(angle, turns):
    image = torch.from_numpy(RNG.integers(0, 256, (1, 3, 8, 8), dtype=np.uint8))
    mask = image[:, 0] // 64
    got, got_mask, _ = one(image, Augment(rotate=180), drawn(angle=angle), masks=mask)
    assert np.array_equal(got.numpy(), np.rot90(image.numpy(), turns, (2, 3)))
    assert np.array_equal(got_mask.numpy(), np.rot90(mask.numpy(), turns, (1, 2)))


def test_rotation_and_scale_are_pillows():
    y, x = np.mgrid[:40, :40]
    smooth = (127 + 60 * np.sin(x / 5) + 60 * np.cos(y / 7)).astype(np.uint8)
    got, _, _ = changed(
        torch.from_numpy(smooth)[None, None], Augment(rotate=30, scale=1), drawn(angle=20, scale=1.3), mean=(0,)
    )
    a = math.radians(20)  # Pillow wants the way from the output to the input
    b, c = math.cos(a) / 1.3, math.sin(a) / 1.3
    way = (b, -c, 20 - 20 * b + 20 * c, c, b, 20 - 20 * c - 20 * b)
    wanted = Image.fromarray(smooth).transform((40, 40), Image.Transform.AFFINE, way, Image.Resampling.BILINEAR)
    inside = slice(8, 32)
    difference = got[0, 0].numpy().astype(int) - np.asarray(wanted)
    assert np.abs(difference[inside, inside]).max() <= 1


moves = st.builds(
    lambda dx, dy, left, up, angle, scale: drawn(1, (dx, dy), (left, up), angle, scale),
    st.integers(-6, 6),
    st.integers(-6, 6),
    st.booleans(),
    st.booleans(),
    st.floats(-180, 180),
    st.floats(0.7, 1.5),
)


@given(moves, st.integers(8, 31), st.integers(8, 23))
def test_the_mask_and_the_position_go_where_the_image_goes(draws, x, y):
    """A blob of 5x5 pixels: its middle in the picture, in the mask and as a position is the same place."""
    size = width, height = 40, 32
    image = torch.zeros(1, 1, height, width, dtype=torch.uint8)
    mask = image[:, 0].clone()
    image[0, 0, y - 2 : y + 3, x - 2 : x + 3] = 200
    mask[0, y - 2 : y + 3, x - 2 : x + 3] = 1
    points = torch.tensor([[[(x + 0.5) / width, (y + 0.5) / height]]])
    augment = Augment(shift=6, flip="random", rotate=180, scale=0.5)
    image, mask, points = one(image, augment, draws, masks=mask, points=points)
    place = points[0, 0].numpy() * size
    if (place < 6).any() or (place > np.array(size) - 6).any():
        return  # partly outside
    for weight, near in ((image[0, 0].double(), 0.3), ((mask[0] == 1).double(), 0.6)):  # the mask has whole pixels
        seen = [(weight.sum(axis) @ (torch.arange(n) + 0.5).double() / weight.sum()) for axis, n in enumerate(size)]
        assert seen == pytest.approx(place, abs=near)


def test_what_comes_from_outside_the_picture_is_not_asked_for():
    mask = torch.ones(1, 4, 4, dtype=torch.uint8)
    _, got, _ = one(PHOTOS[:1, :, :4, :4], Augment(shift=2), drawn(shift=(1, -2)), masks=mask)
    assert got[0].tolist() == [[255, 1, 1, 1], [255, 1, 1, 1], [255] * 4, [255] * 4]
    _, got, _ = one(PHOTOS[:1, :, :4, :4], Augment(scale=1), drawn(scale=0.5), masks=mask)
    assert got[0].tolist() == [[255] * 4, [255, 1, 1, 255], [255, 1, 1, 255], [255] * 4]


def test_a_position_may_leave_the_picture():
    points = torch.tensor([[[0.75, 0.5]]])
    _, _, got = one(PHOTOS[:1, :, :8, :4], Augment(shift=3), drawn(shift=(3, -2)), points=points)
    assert got[0, 0].tolist() == [1.5, 0.25]


@pytest.mark.parametrize("factor", [0.5, 0.9, 1.3, 1.8])
def test_colours_change_as_pillows_do(factor):
    image = Image.fromarray(PHOTOS[0].permute(1, 2, 0).numpy())
    for place, name in enumerate(("Brightness", "Contrast", "Color")):
        factors = [1.0, 1.0, 1.0]
        factors[place] = factor
        got, _, _ = one(PHOTOS[:1], Augment(brightness=1, contrast=1, colour=1), drawn(factors=factors))
        wanted = np.asarray(getattr(ImageEnhance, name)(image).enhance(factor)).transpose(2, 0, 1)
        assert np.abs(got[0].numpy().astype(int) - wanted).max() <= 1  # Pillow rounds the mean and the grey


def test_grey_images_and_many_channels_have_no_colour_and_alpha_stays():
    draws = drawn(factors=(1.2, 0.8, 0.1))
    augment = Augment(brightness=1, contrast=1, colour=1)
    grey = one(PHOTOS[:1, :1], augment, draws)[0]
    many, _, _ = changed(PHOTOS[:1, :1].expand(1, 5, 9, 7), augment, draws, mean=(0.5,) * 5)
    assert torch.equal(many, grey.expand(1, 5, 9, 7))
    assert torch.equal(one(PHOTOS[:1, :1], Augment(colour=1), draws)[0], PHOTOS[:1, :1])
    four = torch.cat([PHOTOS[:1], PHOTOS[1:2, :1]], dim=1)
    got, _, _ = changed(four, augment, draws, mean=(0.5,) * 4)
    assert torch.equal(got[:, :3], one(PHOTOS[:1], augment, draws)[0])
    assert torch.equal(got[:, 3], four[:, 3])


def test_cutout_covers_a_square_with_the_mean_and_asks_nothing_there():
    mask = torch.zeros(1, 9, 7, dtype=torch.uint8)
    got, got_mask, _ = one(PHOTOS[:1], Augment(cutout=3), drawn(cutout=(5, -1)), masks=mask)
    wanted = PHOTOS[:1].clone()
    wanted[0, :, 0:2, 5:7] = torch.tensor([51, 102, 153], dtype=torch.uint8)[:, None, None]
    assert torch.equal(got, wanted)
    assert (got_mask[0] == 255).nonzero().tolist() == [[0, 5], [0, 6], [1, 5], [1, 6]]


index = np.arange(4000)


def test_what_is_drawn_fills_its_range():
    draws = draw_changes(
        Augment(shift=2, rotate=30, scale=0.25, brightness=0.3), (16, 16), seed=1, epoch=2, index=index
    )
    assert np.bincount(draws.shift[:, 0] + 2).tolist() == pytest.approx([800] * 5, rel=0.15)
    scale = np.sqrt(np.linalg.det(draws.linear))
    assert (scale.min(), np.median(scale), scale.max()) == pytest.approx((0.8, 1, 1.25), abs=0.01)
    angle = np.degrees(np.arctan2(draws.linear[:, 0, 1], draws.linear[:, 0, 0]))
    assert (angle.min(), angle.mean(), angle.max()) == pytest.approx((-30, 0, 30), abs=0.6)
    assert (draws.factors[:, 0].min(), draws.factors[:, 0].max()) == pytest.approx((0.7, 1.3), abs=0.01)
    assert (draws.factors[:, 1:] == 1).all()
    assert not draws.flip.any()


def test_alternating_flips_show_both_sides_in_two_epochs():
    def flips(how, epoch):
        return draw_changes(Augment(flip=how, vflip="alternate"), (8, 8), seed=3, epoch=epoch, index=index).flip

    for epoch in range(4):
        assert np.array_equal(flips("alternate", epoch), ~flips("alternate", epoch + 1))
    assert flips("alternate", 0).mean(axis=0) == pytest.approx([0.5, 0.5], abs=0.03)
    assert (flips("random", 0)[:, 0] == flips("random", 1)[:, 0]).mean() == pytest.approx(0.5, abs=0.03)
    assert (flips("alternate", 0)[:, 0] == flips("alternate", 0)[:, 1]).mean() == pytest.approx(0.5, abs=0.03)


def test_cutmix_shares_are_the_areas_and_mixup_takes_its_part():
    mixing = draw_mixing(Augment(mixup=0.2, cutmix=0.5), (20, 30), items=50, seed=0, epoch=0, index=index)
    assert len(mixing.at) / len(index) == pytest.approx(0.7, abs=0.03)
    cut = mixing.box.any(axis=1)
    assert cut.mean() == pytest.approx(5 / 7, abs=0.03)
    left, top, right, bottom = mixing.box[cut].T
    assert mixing.share[cut] == pytest.approx(1 - (right - left) * (bottom - top) / 600)
    assert (mixing.box >= 0).all()
    assert right.max() == 30
    assert bottom.max() == 20
    assert set(mixing.partner) == set(range(50))
    assert mixing.share[~cut].mean() == pytest.approx(0.5, abs=0.03)


# ---- through Batches: the same numbers for the same (seed, epoch, index)

ALL = Augment(2, "alternate", "random", 20, 0.2, 0.3, 0.3, 0.3, 3, 0.3, 0.3)
EXACT = Augment(2, "alternate", "random", cutout=3, cutmix=0.4)


def problem(task, n=12):
    """Arrays of random images with answers for the task, and their contract."""
    kind, inputs = {"classes": ("a", "b", "c")}, PHOTOS[:n].numpy()
    targets = np.arange(n) % 3
    match task:
        case "multilabel":
            targets = RNG.integers(0, 2, (n, 3)).astype(np.uint8)
        case "segmentation":
            kind["mask_values"], targets = (0, 1, 2), RNG.integers(0, 3, (n, 9, 7)).astype(np.uint8)
        case "regression":
            kind |= {"classes": ("x", "y"), "target_mean": (0.5, 0.4), "target_std": (0.2, 0.3), "positions": ((0, 1),)}
            targets = RNG.random((n, 2)).astype(np.float32)
    contract = Contract(input=(3, 9, 7), mode="RGB", mean=MEAN, std=(0.2,) * 3, task=task, **kind)
    return Arrays(inputs, targets, tuple(map(str, range(n)))), contract


def by_item(batches):
    """What each item became, in the data's own order."""
    order = batches._order() if batches.shuffle else np.arange(len(batches._order()))
    x, y = (torch.cat(parts) for parts in zip(*batches, strict=True))
    back = torch.from_numpy(np.argsort(order))
    return x[back], y[back]


@pytest.fixture
def threads():
    before = torch.get_num_threads()
    yield torch.set_num_threads
    torch.set_num_threads(before)


@pytest.mark.parametrize("task", ["classification", "multilabel", "segmentation", "regression"])
@pytest.mark.parametrize("augment", [ALL, EXACT], ids=["warped", "copied"])
def test_the_same_pixels_whatever_the_batch_size_the_order_and_the_threads(task, augment, threads):
    arrays, contract = problem(task)

    @settings(max_examples=12, deadline=None)
    @given(st.integers(0, 2**32 - 1), st.integers(0, 500), st.integers(1, 13), st.integers(1, 4), st.booleans())
    def check(seed, epoch, batch, count, shuffle):
        def made(batch, shuffle):
            batches = Batches(arrays, contract, batch_size=batch, seed=seed, shuffle=shuffle, augment=augment)
            batches.set_epoch(epoch)
            return by_item(batches)

        threads(1)
        x, y = made(1, False)
        threads(count)
        x_again, y_again = made(batch, shuffle)
        assert torch.equal(x, x_again)
        assert torch.equal(y, y_again)

    check()


@pytest.mark.parametrize("augment", [ALL, EXACT], ids=["warped", "copied"])
def test_large_images_too_are_the_same_on_several_threads(augment, threads):
    """Large enough for torch to share the work of one image out."""
    images = RNG.integers(0, 256, (6, 3, 150, 130), dtype=np.uint8)
    arrays = Arrays(images, np.arange(6) % 2, tuple("abcdef"))
    contract = Contract(("a", "b"), (3, 150, 130), "RGB", MEAN, (0.2,) * 3)
    threads(1)
    x, y = by_item(Batches(arrays, contract, batch_size=1, augment=augment))
    for count, batch in ((2, 6), (4, 4)):
        threads(count)
        x_again, y_again = by_item(Batches(arrays, contract, batch_size=batch, augment=augment))
        assert torch.equal(x, x_again)
        assert torch.equal(y, y_again)


def test_seed_epoch_and_index_each_matter():
    arrays, contract = problem("classification", 2)
    arrays = Arrays(arrays.inputs[[0, 0]], arrays.targets, arrays.names)  # twice the same image

    def made(seed, epoch):
        batches = Batches(arrays, contract, batch_size=2, seed=seed, augment=Augment(rotate=20, brightness=0.3))
        batches.set_epoch(epoch)
        return [image.numpy().tobytes() for x, _ in batches for image in x]

    assert len({pixels for seed in (0, 1) for epoch in (0, 1) for pixels in made(seed, epoch)}) == 8


def test_the_network_sees_bytes():
    arrays, contract = problem("classification")
    for x, y in Batches(arrays, contract, batch_size=5, shuffle=True, augment=ALL):
        std, mean = (torch.tensor(v)[:, None, None] for v in (contract.std, contract.mean))
        raw = (x * std + mean) * 255
        assert torch.allclose(raw, raw.round(), atol=1e-3)
        assert y.dtype == torch.float32
        assert torch.allclose(y.sum(1), torch.ones(len(y)))


def test_mixed_images_are_of_both_partners_and_so_are_their_answers():
    inputs = np.stack([np.full((1, 10, 10), v, np.uint8) for v in (0, 100, 200)])
    arrays = Arrays(inputs, np.arange(3), tuple("abc"))
    contract = Contract(("a", "b", "c"), (1, 10, 10), "L", (0.0,), (1 / 255,))
    for augment in (Augment(mixup=1), Augment(cutmix=1)):
        batches = Batches(arrays, contract, batch_size=3, augment=augment)
        for epoch in range(20):
            batches.set_epoch(epoch)
            ((x, y),) = batches
            wanted = y @ torch.tensor([0.0, 100.0, 200.0])
            assert torch.allclose(x.mean((1, 2, 3)), wanted, atol=0.51)  # half a grey level of rounding
            if augment.cutmix:
                assert set(x.round().flatten().tolist()) <= {0.0, 100.0, 200.0}


def test_what_does_not_go_with_the_task_is_left_out():
    arrays, contract = problem("segmentation")
    plain = by_item(Batches(arrays, contract, batch_size=4))
    mixed = by_item(Batches(arrays, contract, batch_size=4, augment=Augment(mixup=1)))
    assert torch.equal(plain[0], mixed[0])
    assert torch.equal(plain[1], mixed[1])


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize("task", ["classification", "segmentation", "regression"])
def test_a_gpu_augments_alike(task):
    arrays, contract = problem(task)
    for augment in (ALL, EXACT):
        here = Batches(arrays, contract, batch_size=5, shuffle=True, augment=augment)
        there = Batches(arrays, contract, batch_size=5, shuffle=True, augment=augment, device="cuda")
        for (x, y), (x_gpu, y_gpu) in zip(here, there, strict=True):
            levels = (x - x_gpu.cpu()).abs() * 0.2 * 255
            assert levels.max() < 1.01  # where a value lies between two bytes, either
            assert (levels > 0.5).float().mean() < 0.02
            assert torch.allclose(y.float(), y_gpu.cpu().float(), atol=1e-5)


def test_what_is_drawn_is_the_same_for_ever():
    augment = Augment.parse("strong vflip=random mixup=0.4 cutmix=0.4")
    draws = draw_changes(augment, (32, 48), seed=1, epoch=2, index=np.array([3, 2**40 + 3]))
    assert draws.shift.tolist() == [[-1, -1], [4, 1]]
    assert draws.flip.tolist() == [[True, True], [True, False]]
    assert draws.linear[1].ravel() == pytest.approx([-1.111288, -0.115324, -0.115324, 1.111288], abs=1e-6)
    assert draws.factors[0] == pytest.approx([1.092218, 1.094468, 1.06825], abs=1e-6)
    assert draws.cutout.tolist() == [[11, 24], [-4, 25]]
    mixing = draw_mixing(augment, (32, 48), items=1000, seed=1, epoch=2, index=np.arange(4))
    assert mixing.at.tolist() == [0, 1, 2]
    assert mixing.partner.tolist() == [111, 610, 668]
    assert mixing.share == pytest.approx([0.839193, 0.627604, 0.896544], abs=1e-6)
    assert mixing.box.tolist() == [[20, 13, 39, 26], [0, 8, 26, 30], [0, 0, 0, 0]]
