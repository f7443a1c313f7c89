"""Shares of what is predicted: together the whole, to the last bit, and none reads what is another's."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from striate.errors import RecipeError
from striate.run.items import Shard
from striate.run.predicting import predict


@given(st.integers(0, 200), st.integers(1, 30), st.integers(1, 12))
def test_the_shares_are_the_whole_in_whole_batches(n, batch, count):
    items = range(n)
    shares = [Shard(number, count).of(items, batch) for number in range(1, count + 1)]
    assert [i for share in shares for i in share] == [*items]
    assert all(share[0] % batch == 0 for share in shares if share)
    batches = [-(-len(share) // batch) for share in shares]
    assert max(batches) - min(batches) <= 1


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("0/8", "shard is 0/8; they are numbered from 1: 1/8 to 8/8"),
        ("9/8", "shard is 9/8; they are numbered from 1: 1/8 to 8/8"),
        ("1/0", "shard is 1/0; they are numbered from 1: 1/8 to 8/8"),
        ("a/b", "shard is 'a/b', expected its number and their count, such as 3/8"),
        ("3", "shard is '3', expected its number and their count, such as 3/8"),
        ((0, 8), "shard is 0/8; they are numbered from 1: 1/8 to 8/8"),
        ((1, 2, 3), "shard is (1, 2, 3), expected its number and their count, such as 3/8"),
        (3, "shard is 3, expected its number and their count, such as 3/8"),
    ],
)
def test_what_is_no_share(given, message):
    with pytest.raises(RecipeError) as caught:
        Shard.parse(given)
    assert str(caught.value) == message


def test_as_text_and_as_numbers():
    assert Shard.parse("3/8") == Shard.parse((3, 8)) == Shard(3, 8)
    assert Shard.parse(None) == Shard(1, 1)


def test_predictions_of_the_shares_are_those_of_the_whole_to_the_last_bit(trained, photos, tmp_path):
    folder = photos(tmp_path / "photos", {"a": 7, "b": 6})
    how = {"batch_size": 2, "say": lambda _: None}
    whole = [answer.as_dict() for answer in predict(trained, folder, **how)]
    shares = [predict(trained, folder, shard=(number, 3), **how) for number in (1, 2, 3)]
    assert [answer.as_dict() for share in shares for answer in share] == whole
    assert all(shares)


def test_a_share_reads_no_file_of_another(trained, photos, tmp_path):
    folder = photos(tmp_path / "photos", {"a": 4})
    for number in (2, 3):  # the second half
        (folder / "a" / f"{number}.png").write_bytes(b"no image")
    assert len(predict(trained, folder, batch_size=2, shard="1/2")) == 2


def test_on_the_command_line(cli, trained, photos, tmp_path):
    folder = photos(tmp_path / "photos", {"a": 5})
    words = ["predict", trained, folder, "--batch-size", 2, "--json"]
    whole = json.loads(cli(*words).out)
    shares = [json.loads(cli(*words, "--shard", f"{number}/2").out) for number in (1, 2)]
    assert [len(share) for share in shares] == [2, 3]
    assert shares[0] + shares[1] == whole
    answer = cli(*words, "--shard", "0/2")
    assert (answer.code, answer.out) == (2, "")
    assert answer.err == "striate: shard is 0/2; they are numbered from 1: 1/2 to 2/2\n"
