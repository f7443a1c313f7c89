"""Work in helper processes: all of it is done once, whatever ends a helper; nobody is left behind."""

import mmap
import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import numpy as np
import pytest

from striate.datasets.store import workers
from striate.datasets.store.workers import CRASHED, for_each
from striate.errors import DataError

linux = pytest.mark.skipif(sys.platform != "linux", reason="threads do the work elsewhere")
N = 300


@pytest.fixture
def counts():
    """How often each item was worked on, where helper processes can count too."""
    return np.frombuffer(mmap.mmap(-1, N), np.uint8)


@pytest.fixture(params=["processes", "threads"])
def ways(request, monkeypatch):
    monkeypatch.setattr(workers, "worker_count", lambda: 3)
    monkeypatch.setattr(workers, "_fork_pays", lambda n: request.param == "processes" and sys.platform == "linux")


def no_child_is_left():
    with pytest.raises(ChildProcessError):
        os.waitpid(-1, os.WNOHANG)


@pytest.mark.usefixtures("ways")
@pytest.mark.parametrize("n", [0, 1, 2, N])
def test_each_item_is_worked_on_once(counts, n):
    def work(i):
        counts[i] += 1

    done = []
    for_each(range(n), work, found=pytest.fail, progress=done.append)
    assert counts.tolist() == [1] * n + [0] * (N - n)
    assert done[-1:] == [n] * bool(n)
    no_child_is_left()


@pytest.mark.usefixtures("ways")
def test_what_cannot_be_read_is_found_with_its_reason():
    reason = "ž 猫 \U0001f600 \udce4 \n" * 300

    def work(i):
        if i % 3 == 0:
            raise DataError(f"{i} {reason}")

    found = {}
    for_each(range(N), work, found=found.__setitem__)
    assert sorted(found) == list(range(0, N, 3))
    assert all(why.startswith(f"{i} ž 猫 \U0001f600 \udce4 \n") for i, why in found.items())


@pytest.mark.usefixtures("ways")
@pytest.mark.parametrize("error", [KeyboardInterrupt, DataError])
def test_what_found_raises_ends_the_work(counts, error):
    def work(i):
        counts[i] += 1
        time.sleep(0.02)  # all of it would take two seconds
        raise DataError("no")

    def stop(i, why):
        raise error("enough")

    with pytest.raises(error, match="enough"):
        for_each(range(N), work, found=stop)
    no_child_is_left()
    begun = counts.sum()
    time.sleep(0.05)
    assert begun == counts.sum() < N


@pytest.mark.usefixtures("ways")
@pytest.mark.parametrize(("seconds", "calls"), [(3600, [1]), (0.001, range(2, 10**6))], ids=["rarely", "often"])
def test_progress_is_told_at_a_rate_not_for_each_item(monkeypatch, seconds, calls):
    monkeypatch.setattr(workers, "TICK", seconds)
    done = []
    for_each(range(N), lambda i: time.sleep(0.002), found=pytest.fail, progress=done.append)
    assert len(done) in calls
    assert done == sorted(done)
    assert done[-1] == N


@linux
def test_a_fault_in_the_work_itself_is_told_with_its_traceback():
    with pytest.raises(RuntimeError, match="ZeroDivisionError"):
        for_each(range(N), lambda i: 1 // 0, found=pytest.fail)
    no_child_is_left()


@linux
@pytest.mark.parametrize("end", [lambda: os._exit(3), lambda: os.kill(os.getpid(), signal.SIGKILL)])
def test_an_item_that_ends_its_process_is_named_and_the_others_are_done(counts, monkeypatch, end):
    monkeypatch.setattr(workers, "worker_count", lambda: 3)

    def work(i):
        if i in (7, 8, 200):
            end()
        counts[i] += 1

    found = {}
    for_each(range(N), work, found=found.__setitem__)
    assert found == dict.fromkeys((7, 8, 200), CRASHED)
    assert counts.tolist() == [i not in (7, 8, 200) for i in range(N)]
    no_child_is_left()


@linux
def test_where_no_process_can_be_made_threads_do_it(counts, monkeypatch):
    def refuse():
        raise BlockingIOError(11, "Resource temporarily unavailable")

    monkeypatch.setattr(workers, "worker_count", lambda: 3)
    monkeypatch.setattr(os, "fork", refuse)

    def work(i):
        counts[i] += 1

    for_each(range(N), work, found=pytest.fail)
    assert (counts == 1).all()


@pytest.fixture
def program(tmp_path):
    """A process that works for a minute, in a session of its own; its helpers write their numbers into a file."""
    code = """
        import os, signal, sys, time
        from striate.datasets.store import workers
        signal.signal(signal.SIGINT, signal.default_int_handler)  # which a job in the background begins without
        workers.worker_count = lambda: 3
        def work(i):
            with open(sys.argv[1], "a") as file:
                file.write(f"{os.getpid()}\\n")
            time.sleep(0.2)
        try:
            workers.for_each(range(900), work, found=print)
        except KeyboardInterrupt:
            print("interrupted", flush=True)
    """
    pids = tmp_path / "pids"
    command = [sys.executable, "-c", textwrap.dedent(code), str(pids)]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    helpers = set()
    while len(helpers) < 3 and process.poll() is None:
        time.sleep(0.02)
        helpers = set(pids.read_text().split()) if pids.exists() else set()
    yield process, [int(pid) for pid in helpers]
    process.kill()
    process.communicate()


def gone(pid):
    try:  # ended, though perhaps nobody has asked how (where this process's init never does)
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return True


def wait_until_gone(pids):
    for _ in range(3000):  # a minute
        if all(map(gone, pids)):
            return
        time.sleep(0.02)
    pytest.fail("a helper goes on")


@linux
def test_ctrl_c_ends_all_of_them_quietly(program):
    process, helpers = program
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does: to every process
    out, err = process.communicate(timeout=600)
    assert (out, err, process.returncode) == ("interrupted\n", "", 0)
    assert all(map(gone, helpers))


@linux
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
def test_helpers_end_with_their_parent(program, how):
    process, helpers = program
    process.send_signal(how)
    process.communicate(timeout=600)
    assert process.returncode == -how
    wait_until_gone(helpers)
