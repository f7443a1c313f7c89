import sys

import striate.cli.progress
from striate.cli.progress import CountProgress, DownloadProgress, ReadingProgress, TrainingProgress
from striate.learning import Epoch, Recipe, Step


def shown(download):
    with download:
        for name, total in (("a.gz", 2_500_000), ("b.gz", 90)):
            for done in (0, total // 2, total):
                download.show(name, done, total)


def test_a_line_for_each_file_where_there_is_no_terminal(capsys):
    shown(DownloadProgress())
    assert capsys.readouterr().err == "downloading a.gz (2.5 MB)\ndownloading b.gz (0.0 MB)\n"


def test_an_archive_that_is_there_is_unpacked(capsys, tmp_path):
    (tmp_path / "a.zip").touch()
    DownloadProgress().show(f"{tmp_path}/a.zip", 0, 2_500_000)
    assert capsys.readouterr().err == f"unpacking {tmp_path}/a.zip (2.5 MB)\n"


def test_a_bar_on_a_terminal_that_leaves_nothing_behind(capsys, monkeypatch):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    monkeypatch.setenv("TERM", "xterm")
    download = DownloadProgress()
    shown(download)
    out, err = capsys.readouterr()
    assert out == ""
    assert "downloading b.gz" in err
    assert "90/90 bytes" in err
    assert not download.bar.live.is_started
    assert err.count("\x1b[?25l") == err.count("\x1b[?25h") == 1  # the cursor is hidden and shown again


def test_nothing_is_said_where_nothing_is_fetched(capsys):
    with DownloadProgress():
        pass
    assert capsys.readouterr() == ("", "")


def test_reading_is_a_line_now_and_then_where_there_is_no_terminal(capsys):
    progress = ReadingProgress("looking at images", every=0)
    progress.show(5, 10)
    assert capsys.readouterr().err == "looking at images: 5 of 10\n"


def test_on_a_terminal_reading_is_a_bar_that_goes_away(monkeypatch, capsys):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    monkeypatch.setenv("TERM", "xterm")
    with ReadingProgress() as reading:
        reading.say("before")
        for total in (3, 2):  # two splits
            for done in range(1, total + 1):
                reading.show(done, total)
        reading.say("[not markup]")
        assert reading.bar.tasks[0].completed == reading.bar.tasks[0].total == 2
    err = capsys.readouterr().err
    assert "before" in err
    assert "[not markup]" in err
    assert reading.bar.finished


def events():
    """Two epochs of ten steps, the second with one validation behind it."""
    for epoch in (1, 2):
        for step in range(1, 11):
            yield Step(epoch, step, 10, 0.1, 2.0 / step)
        yield Epoch(epoch, 0.5, 0.4, 0.912, 0.1, 1.0, best=True)


def test_training_on_a_terminal_shows_loss_metric_rate_and_time_left(monkeypatch, capsys):
    now = [0.0]
    monkeypatch.setattr(striate.cli.progress, "monotonic", lambda: now[0])
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    monkeypatch.setenv("TERM", "xterm")
    with TrainingProgress(Recipe(epochs=2, batch_size=30, accumulate=2)) as progress:
        shown = []
        for event in events():
            now[0] += 0.5
            progress.show(event)
            shown.append(progress.bar.tasks[0].fields["numbers"])
        assert shown[0] == "loss 2.0000"
        assert shown[4] == "loss 0.4000  120 images/s"  # 60 of a step in half a second
        assert shown[-2] == "loss 0.2000  val accuracy 91.20%  120 images/s"
        assert (progress.bar.tasks[0].completed, progress.bar.tasks[0].total) == (20, 20)
        assert progress.bar.tasks[0].description == "epoch 2/2"
    assert "epoch 1/2  train loss 0.5000  val loss 0.4000  val accuracy 91.20%" in capsys.readouterr().err


def test_the_loss_of_a_step_is_read_a_few_times_a_second_only(monkeypatch):
    monkeypatch.setattr(striate.cli.progress, "monotonic", lambda: 0.0)
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    monkeypatch.setenv("TERM", "xterm")
    read = []

    class Far(float):
        def __float__(self):
            read.append(self)
            return 1.0

    with TrainingProgress(Recipe(epochs=1)) as progress:
        for step in range(1, 1001):
            progress.show(Step(1, step, 1000, 0.1, Far(1.0)))
    assert len(read) <= 3  # the first of the epoch, and the last


def test_training_elsewhere_is_a_plain_line_an_epoch(capsys):
    with TrainingProgress(Recipe(epochs=2)) as progress:
        for event in events():
            progress.show(event)
    err = capsys.readouterr().err
    assert [line.split("  ")[0] for line in err.splitlines()] == ["epoch 1/2", "epoch 2/2"]
    assert "\x1b" not in err


def test_of_an_unknown_number_it_is_said_how_many_are_done(capsys):
    with CountProgress("predicting", every=0) as progress:
        progress.show(1_000)
    assert capsys.readouterr().err == "predicting: 1,000\n"
    with CountProgress("predicting") as progress:
        progress.show(1_000)  # a line now and then
    assert capsys.readouterr().err == ""
