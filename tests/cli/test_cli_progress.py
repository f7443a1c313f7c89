import sys

from striate.cli.progress import DownloadProgress, ReadingProgress


def shown(download):
    with download:
        for name, total in (("a.gz", 2_500_000), ("b.gz", 90)):
            for done in (0, total // 2, total):
                download.show(name, done, total)


def test_a_line_for_each_file_where_there_is_no_terminal(capsys):
    shown(DownloadProgress())
    assert capsys.readouterr().err == "downloading a.gz (2.5 MB)\ndownloading b.gz (0.0 MB)\n"


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
