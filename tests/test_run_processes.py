"""Training in several processes, as torchrun starts them: what one process does, to rounding, in one run folder."""

import json
import os
import signal
import subprocess
import sys
from contextlib import contextmanager

import pytest

from striate.learning.distributed import launched

pytestmark = pytest.mark.slow
NET = "conv 6 3; relu; flatten; linear 10"
LOSSES = """
import json, sys
from striate.learning import Step
from striate.run import prepare

out, net, settings = sys.argv[1], sys.argv[2], json.loads(sys.argv[3])
run = prepare("digits", net, settings=settings, out=out, device="cpu")
losses = [event.loss for event in run.events() if isinstance(event, Step)]
if run.world.first:
    test = run.finish().as_dict()["test"]
    print(json.dumps({"losses": losses, "test": test, "history": run.history}))
else:
    run.best()
import os
sys.stdout.flush()
os._exit(0)  # leaving as usual, torch 2.13 aborts now and then
"""
BROKEN = """
import os, sys
from striate.datasets import Batches
from striate.errors import DataError

def broken(self, targets):
    raise DataError("photo 7 is gone")

if os.environ["RANK"] == "1":
    Batches._as_loss_takes = broken
from striate.cli.main import main
main()
"""


def torchrun(*words):
    return [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", *map(str, words)]


@pytest.fixture
def started(shell, in_folder):
    def run(command, **more):
        done = subprocess.run(
            list(map(str, command)),
            capture_output=True,
            text=True,
            env=shell.environment | {"STRIATE_CACHE": "cache"} | more,
            cwd=in_folder,
            timeout=600,
            check=False,
        )
        return done.returncode, done.stdout, done.stderr

    return run


def said(text):
    """The lines that striate itself wrote: torchrun adds its own where a process ends with an error."""
    return [line for line in text.splitlines() if line.startswith("striate:")]


@pytest.mark.parametrize(
    "settings",
    [
        {"epochs": 2, "batch_size": 31},
        {"epochs": 3, "batch_size": 25, "balance": "weights", "augment": "light mixup=0.5", "clip": 0.5, "l1": 1e-4},
        {"epochs": 3, "batch_size": 20, "accumulate": 3, "ema": 0.9, "precision": "float32", "lr": 0.01},
    ],
)
def test_one_and_two_processes_learn_the_same(started, in_folder, settings):
    (in_folder / "losses.py").write_text(LOSSES)
    words = ("losses.py", NET, json.dumps(settings))
    found = []
    for n, command in ((1, [sys.executable]), (2, torchrun())):
        code, out, err = started([*command, words[0], f"run{n}", *words[1:]])
        assert code == 0, err
        found.append(json.loads(out))
    one, two = found
    assert len(one["losses"]) > 50
    assert two["losses"] == pytest.approx(one["losses"], abs=1e-5)
    for a, b in zip(one["history"], two["history"], strict=True):
        assert {**b, "seconds": 0} == pytest.approx({**a, "seconds": 0}, abs=1e-5)
    assert two["test"]["accuracy"] == one["test"]["accuracy"]
    assert two["test"]["n"] == one["test"]["n"] == 360
    assert {path.name for path in in_folder.iterdir()} >= {"run1", "run2"}
    assert not (in_folder / "runs").exists()  # nor does another process make a folder of its own
    files = [
        {path.relative_to(folder) for path in folder.rglob("*")} for folder in map(in_folder.joinpath, ("run1", "run2"))
    ]
    assert files[0] == files[1]


def test_batch_norm_and_segmentation_train_too(started, in_folder):
    code, out, err = started(
        torchrun("-m", "striate", "train", "shapes:segmentation,n=60,size=16", "-e", 2, "-b", 7, "--json")
    )
    assert code == 0, err
    assert json.loads(out)["test"]["n"] > 0
    assert [path.name for path in (in_folder / "runs").iterdir()] == ["shapes-segmentation-unet_small"]
    assert err.count("epoch 1/2") == 1


def test_from_python_every_process_has_the_best_model(started, in_folder):
    (in_folder / "train.py").write_text(
        "import striate, torch\n"
        f"model = striate.train('{NET}', 'digits', epochs=1, out='run', device='cpu')\n"
        "print(f'sum {sum(float(p.detach().double().sum()) for p in model.module.parameters()):.9f}')\n"
        "import os, sys; sys.stdout.flush(); os._exit(0)\n"  # leaving as usual, torch 2.13 aborts now and then
    )
    code, out, err = started(torchrun("train.py"))
    assert code == 0, err
    sums = [line for line in out.splitlines() if line.startswith("sum")]
    assert len(sums) == 2
    assert len({*sums}) == 1
    assert err.count("epoch 1/1") == 1


def test_one_process_that_fails_ends_all_with_one_message(started, in_folder):
    (in_folder / "broken.py").write_text(BROKEN)
    code, _, err = started(torchrun("broken.py", "train", "digits", "--net", NET, "-o", "run"))
    assert code != 0
    assert said(err) == ["striate: photo 7 is gone"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["digitz"], "striate: digitz: file not found; did you mean 'digits'?"),
        (["digits", "--net", NET, "--lr", "1e9", "--optimizer", "sgd"], "striate: the loss is "),
        (["digits", "--epochs", "x"], "Error: Invalid value for '--epochs': 'x' is not a whole number"),
        (["digits", "--find-lr", "lr.svg"], "striate: the rates are swept in one process"),
    ],
)
def test_what_fails_in_all_processes_is_said_once(started, words, message):
    code, out, err = started(torchrun("-m", "striate", "train", *words))
    assert code != 0
    assert err.count(message) == 1
    assert len(said(err)) == message.startswith("striate:")
    assert "Traceback" not in out


def test_a_signal_saves_once_and_resume_goes_on_as_if_never_stopped(started, shell, in_folder):
    words = ["train", "digits", "--net", NET, "-e", 12, "--lr", 0.003]
    command = list(map(str, torchrun("-m", "striate", *words, "-o", "run")))
    lines = []
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=shell.environment, cwd=in_folder) as process:
        for line in process.stderr:
            lines.append(line)
            if line.startswith("epoch  2/12"):
                process.send_signal(signal.SIGINT)  # torchrun passes it on to both
    err = "".join(lines)
    assert err.count("everything is saved. Resume with:") == 1
    assert not (in_folder / "run" / "report.html").exists()
    for command in (
        torchrun("-m", "striate", *words[:2], "-o", "run", "--resume"),
        [sys.executable, "-m", "striate", *words, "-o", "whole"],
    ):
        code, _, err = started(command)
        assert code == 0, err
    rows = [(in_folder / name / "metrics.csv").read_text().splitlines()[1:] for name in ("run", "whole")]
    for stopped, never in zip(*rows, strict=True):
        columns = [list(map(float, row.split(",")))[:5] for row in (stopped, never)]
        assert columns[0] == pytest.approx(columns[1], abs=1e-5)


@contextmanager
def two_hosts():
    """Two network namespaces with a cable between them: hosts that share nothing but it (and the disk)."""
    names = [f"striate{os.getpid()}{end}" for end in "ab"]
    commands = [
        *(f"ip netns add {name}" for name in names),
        f"ip link add v{os.getpid()}a type veth peer name v{os.getpid()}b",
    ]
    for end, name in zip("ab", names, strict=True):
        address = f"10.83.7.{1 + (end == 'b')}/24"
        commands += [
            f"ip link set v{os.getpid()}{end} netns {name}",
            f"ip -n {name} addr add {address} dev v{os.getpid()}{end}",
            f"ip -n {name} link set v{os.getpid()}{end} up",
            f"ip -n {name} link set lo up",
        ]
    try:
        for command in commands:
            try:
                done = subprocess.run(command.split(), capture_output=True, text=True, check=False)
            except FileNotFoundError:
                pytest.skip("needs the command ip")
            if done.returncode:
                pytest.skip(f"needs the right to make network namespaces ({done.stderr.strip()})")
        yield names
    finally:
        for name in names:
            subprocess.run(["ip", "netns", "del", name], capture_output=True, check=False)


def test_two_hosts_train_one_network(started, shell, in_folder):
    (in_folder / "losses.py").write_text(LOSSES)
    settings = json.dumps({"epochs": 2, "batch_size": 31})
    with two_hosts() as hosts:
        processes = []
        for rank, host in enumerate(hosts):
            command = [
                *f"ip netns exec {host} {sys.executable} -m torch.distributed.run --nnodes 2".split(),
                *f"--node-rank {rank} --nproc-per-node 1 --master-addr 10.83.7.1 --master-port 29517".split(),
                *("losses.py", "run", NET, settings),
            ]
            environment = shell.environment | {"GLOO_SOCKET_IFNAME": f"v{os.getpid()}{'ab'[rank]}"}
            processes.append(
                subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment, cwd=in_folder)
            )
        first, second = (process.communicate(timeout=600)[0] for process in processes)
    assert [process.returncode for process in processes] == [0, 0]
    assert second == ""
    code, out, err = started([sys.executable, "losses.py", "alone", NET, settings])
    assert code == 0, err
    assert json.loads(first)["losses"] == pytest.approx(json.loads(out)["losses"], abs=1e-5)
    assert json.loads(first)["test"]["accuracy"] == json.loads(out)["test"]["accuracy"]


def test_these_tests_themselves_run_in_one_process():
    assert not launched()
