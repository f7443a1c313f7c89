import sys

from striate.cli.fetching import Fetching


def shown(fetching):
    with fetching:
        for name, total in (("a.gz", 2_500_000), ("b.gz", 90)):
            for done in (0, total // 2, total):
                fetching.show(name, done, total)


def test_a_line_for_each_file_where_there_is_no_terminal(capsys):
    shown(Fetching())
    assert capsys.readouterr().err == "fetching a.gz (2.5 MB)\nfetching b.gz (0.0 MB)\n"


def test_a_bar_on_a_terminal_that_leaves_nothing_behind(capsys, monkeypatch):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    monkeypatch.setenv("TERM", "xterm")
    fetching = Fetching()
    shown(fetching)
    out, err = capsys.readouterr()
    assert out == ""
    assert "fetching b.gz" in err
    assert "90/90 bytes" in err
    assert not fetching.bar.live.is_started
    assert err.count("\x1b[?25l") == err.count("\x1b[?25h") == 1  # the cursor is hidden and shown again


def test_nothing_is_said_where_nothing_is_fetched(capsys):
    with Fetching():
        pass
    assert capsys.readouterr() == ("", "")
