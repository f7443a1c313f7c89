"""Bugs of one line each, planted in a copy of the package: every one must be caught by a fast test.

    python tests/planted_bugs.py               # all of them, some minutes
    python tests/planted_bugs.py cam momentum  # those whose name has one of these words

Each is the kind of mistake that a person makes in passing: a bound one off, a wrong denominator, half a pixel. The
package is copied to a temporary folder, one line is changed, and the tests that should notice are run on the copy. It
prints what was caught and what was missed, and exits with 1 where one was missed or its line is no longer found.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "src" / "striate"


@dataclass(frozen=True)
class Bug:
    """In *file*, *old* (which occurs once) becomes *new*; *tests* are the paths that should notice."""

    name: str
    file: str
    old: str
    new: str
    tests: str


BUGS = (
    Bug("a line of the text is counted from 0", "spec/text.py",
        "in enumerate(text.splitlines(), 1):", "in enumerate(text.splitlines()):", "tests/spec/test_text.py"),
    Bug("linear upsampling by an odd scale sees one pixel too many", "analysis/windows.py",
        "(2 * i + 1 - self.scale for i in range(units))", "(2 * i - self.scale for i in range(units))",
        "tests/analysis/test_receptive.py"),
    Bug("a grouped convolution counts the multiplications of all groups", "analysis/cost.py",
        "return prod(output) * (input[0] // op.groups) * _area(op, input)",
        "return prod(output) * input[0] * _area(op, input)", "tests/analysis"),
    Bug("adaptive pooling rounds its windows down", "analysis/windows.py",
        "-(-(i + 1) * size // self.out)) for i in range(", "(i + 1) * size // self.out) for i in range(",
        "tests/analysis/test_receptive.py"),
    Bug("an average pooling that is called is read as if it did not count the padding", "net/read_functions.py",
        'call.get(5, "count_include_pad", True)', 'call.get(5, "count_include_pad", False)', "tests/net/test_read.py"),
    Bug("He initialisation by the outputs instead of the inputs", "net/init.py",
        'Draw("normal", math.sqrt(2 / fan_in))', 'Draw("normal", math.sqrt(2 / fan_out))', "tests/net/test_init.py"),
    Bug("stochastic depth does not make up for what it drops", "net/layers.py",
        "return x * kept / (1 - self.p)", "return x * kept", "tests/net/test_build.py"),
    Bug("a module frees a value that a later layer reads", "net/build.py",
        "if i not in needed)  # no later reader", "if i in needed)  # no later reader", "tests/net/test_build.py"),
    Bug("a class of two items may lose both to the test split", "datasets/split.py",
        "return [min(max(share, 1), n - 1) if n > 1", "return [min(max(share, 1), n) if n > 1",
        "tests/datasets/test_split.py"),
    Bug("a file that was changed keeps its place in the cache", "datasets/store/cache.py",
        'text += f"{place}\\0{found.st_size} {times}\\0"', 'text += f"{place}\\0{found.st_size}\\0"',
        "tests/datasets/test_cache.py"),
    Bug("a flip mirrors about a pixel too far", "datasets/augment/change.py",
        "side - 1 - inside, inside)", "(side - inside) % side, inside)", "tests/datasets/test_augment.py"),
    Bug("a warped image lies half a pixel off", "datasets/augment/change.py",
        "columns = torch.arange(width, device=device) + 0.5", "columns = torch.arange(width, device=device) + 0.0",
        "tests/datasets/test_augment.py"),
    Bug("points do not move with a shifted image", "datasets/augment/change.py",
        "* y + shift[:, i, None] for i in (0, 1)]", "* y for i in (0, 1)]", "tests/datasets/test_augment.py"),
    Bug("every epoch has the order of the first", "datasets/batches.py",
        'f"{self.seed}/{self._epoch}".encode()', 'f"{self.seed}/0".encode()', "tests/datasets/test_batches.py"),
    Bug("near-duplicates are looked for by the mean brightness too", "datasets/doctor/similarity.py",
        "low = coefficients.reshape(-1, 81)[:, 1:65]", "low = coefficients.reshape(-1, 81)[:, 0:64]",
        "tests/datasets/test_doctor_similarity.py tests/datasets/test_doctor_copies.py"),
    Bug("weight decay on biases and norms too", "learning/optim.py",
        "if p.ndim <= 1 and id(p) not in apart], rest, {\"weight_decay\": 0.0}),",
        "if p.ndim <= 1 and id(p) not in apart], rest, {\"weight_decay\": recipe.weight_decay}),",
        "tests/learning/test_optim.py"),
    Bug("the warm-up begins with a step of 0", "learning/optim.py",
        "return recipe.lr * (step + 1) / warm", "return recipe.lr * step / warm", "tests/learning/test_optim.py"),
    Bug("a resumed epoch draws other random numbers", "learning/loop.py",
        "if state.step and state.rng is not None and", "if state.step and state.rng is None and",
        "tests/learning/test_checkpoint.py"),
    Bug("momentum is forgotten on resuming", "learning/checkpoint.py",
        "if kind == type(state.optimizer).__name__:", "if kind != type(state.optimizer).__name__:",
        "tests/learning/test_checkpoint.py"),
    Bug("dice divides by probabilities that are not squared", "tasks/scoring/segmentation.py",
        "(p.square().sum(0) + g.sum(0)).clamp", "(p.sum(0) + g.sum(0)).clamp", "tests/learning/test_tasks.py"),
    Bug("weighted losses are divided by the number of items", "tasks/scoring/classification.py",
        "* counts).sum() / counts.sum()", "* counts).sum() / len(counts)", "tests/learning/test_tasks.py"),
    Bug("precision is divided by the items of the class", "metrics/classification.py",
        "        share(right, predicted),", "        share(right, n),",
        "tests/metrics/test_metrics.py"),
    Bug("the interval of the error divides by n", "metrics/regression.py",
        "float(each.std(ddof=1)) / sqrt(n)", "float(each.std()) / sqrt(n)", "tests/metrics"),
    Bug("the intersection counts twice in the union", "metrics/segmentation.py",
        "both / (n + found - both) if n + found else None", "both / (n + found) if n + found else None",
        "tests/metrics"),
    Bug("an image that is fitted lies a pixel to the right", "model/placing.py",
        "((room_width - inside[0]) // 2, (room_height", "((room_width - inside[0] + 1) // 2, (room_height",
        "tests/model/test_fitting.py tests/model/test_prepare.py"),
    Bug("an image that is cropped is cut at the corner", "model/placing.py",
        "x, y = (width - seen[0]) * 0.5,", "x, y = (width - seen[0]) * 0.0,",
        "tests/model/test_fitting.py tests/model/test_prepare.py"),
    Bug("pixels are normalised by 256", "model/prepare.py", "x.div_(255)", "x.div_(256)", "tests/model"),
    Bug("Grad-CAM++ without its sum over the map", "inspect/attribution/cams.py",
        "below = 2 * g**2 + g**3 * _sums(a)", "below = 2 * g**2 + g**3 * a",
        "tests/inspect/test_attribution_known.py"),
    Bug("the weights of Grad-CAM++ are not summed over the map", "inspect/attribution/cams.py",
        "return (_sums(shares * g.clamp(min=0)) * a).sum(0)", "return (shares * g.clamp(min=0) * a).sum(0)",
        "tests/inspect/test_attribution_known.py"),
    Bug("what is below zero counts as zero", "inspect/maps.py",
        "self.zeros += int((units == 0).sum())", "self.zeros += int((units <= 0).sum())",
        "tests/inspect/test_maps.py"),
    Bug("a grouped convolution's unit reads another group", "inspect/unit.py",
        "first = channel // (layer.out_channels // layer.groups) * size",
        "first = channel // (layer.out_channels // layer.groups)", "tests/inspect/test_unit.py"),
    Bug("the window of a unit forgets the padding", "inspect/unit.py",
        "corner = tuple(p * s - pad for p, s, pad", "corner = tuple(p * s for p, s, pad", "tests/inspect/test_unit.py"),
    Bug("the kernel is turned where nobody asked", "filtering/sliding.py",
        "weights = weights[::-1, ::-1] if flip else weights", "weights = weights if flip else weights[::-1, ::-1]",
        "tests/filtering"),
    Bug("same padding puts what is odd first", "filtering/sliding.py",
        "((span[0] - 1) // 2, (span[1] - 1) // 2),", "(span[0] // 2, span[1] // 2),", "tests/filtering"),
    Bug("the written file lays a fitted image a pixel to the right", "exporters/snippets.py",
        "(($W - inside[0]) // 2, ($H", "(($W - inside[0] + 1) // 2, ($H", "tests/exporters/test_source.py"),
    Bug("an exported file multiplies by the temperature", "exporters/standalone.py",
        "scores / contract.temperature", "scores * contract.temperature", "tests/exporters/test_exported_models.py"),
    Bug("an exported average loses its divisor", "exporters/standalone.py",
        " * (prod(kernels) / divisor_override)", "", "tests/exporters/test_exported_models.py"),
    Bug("an exported file that answers otherwise is kept", "exporters/comparing.py",
        "found.max_difference <= TOLERANCE and", "found.max_difference <= TOLERANCE or",
        "tests/exporters/test_exported_models.py"),
    Bug("one colour scale for all leaves out what is below zero", "plotting/picture.py",
        "limit = max((float(np.abs(values).max())", "limit = max((float(values.max())", "tests/plotting tests/inspect"),
    Bug("a data error exits as a usage error", "cli/main.py",
        '"DataError": 3', '"DataError": 2', "tests/cli/test_cli_mistakes.py"),
    Bug("the first epoch stays the best", "run/running.py",
        "self.best_epoch = event.epoch", "self.best_epoch = self.best_epoch or event.epoch", "tests/test_run.py"),
    Bug("a worse epoch than the best is kept", "tasks/keeping.py",
        "mean >= best - margin", "mean >= best - 9 * margin", "tests/tasks/test_keeping.py"),
)  # fmt: skip


def fault(bug: Bug) -> str:
    """Why *bug* cannot be planted: its text is gone, or stands more than once; "" where it can."""
    path = SOURCE / bug.file
    if not path.is_file():
        return f"there is no {bug.file}"
    times = path.read_text(encoding="utf-8").count(bug.old)
    return "" if times == 1 else f"its line occurs {times} times in {bug.file}"


def caught(bug: Bug) -> bool:
    """Whether the tests of *bug* fail on a copy of the package that has it."""
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "striate"
        shutil.copytree(SOURCE, copy, ignore=shutil.ignore_patterns("__pycache__"))
        path = copy / bug.file
        path.write_text(path.read_text(encoding="utf-8").replace(bug.old, bug.new), encoding="utf-8")
        compile(path.read_text(encoding="utf-8"), path, "exec")
        environment = os.environ | {"PYTHONPATH": folder, "PYTHONDONTWRITEBYTECODE": "1"}
        command = [sys.executable, "-m", "pytest", "-x", "-q", "-n", "0", "-p", "no:cacheprovider", *bug.tests.split()]
        done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    if done.returncode not in (0, 1):  # 1: a test failed; others: nothing could be run
        raise RuntimeError(f"{bug.name}: pytest ended with {done.returncode}\n{done.stdout[-2000:]}{done.stderr}")
    return done.returncode == 1


def main(words: list[str]) -> int:
    chosen = [bug for bug in BUGS if not words or any(word in bug.name for word in words)]
    missed = 0
    for bug in chosen:
        why = fault(bug)
        found = not why and caught(bug)
        missed += not found
        print(f"{'caught' if found else 'MISSED'}  {bug.file}: {bug.name}{f' ({why})' if why else ''}", flush=True)
    print(f"{len(chosen) - missed} of {len(chosen)} caught")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
