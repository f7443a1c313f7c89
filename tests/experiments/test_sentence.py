"""``sentence``: only the order of the words tells; the largest value over the text is the same wherever a phrase is."""

from collections import Counter

import numpy as np
import pytest
import torch

from striate.experiments import EXPERIMENTS
from striate.experiments.sentence import (
    LENGTH,
    NETWORKS,
    SENTENCES,
    VOCABULARY,
    accuracy_by_place,
    as_tensors,
    moved_scores,
    responses_in,
    stories,
    text_network,
    word_filters,
)
from striate.model.words import words_of

CONV, PLACES, DENSE = NETWORKS.values()


@pytest.mark.parametrize("place", range(SENTENCES))
def test_stories_say_it_in_their_place_and_are_even(place):
    told = stories(200, place, 0)
    for story in told:
        sentences = story.text.rstrip(".").split(". ")
        assert len(sentences) == SENTENCES
        assert [i for i, s in enumerate(sentences) if "kitten" in s] == [place]
        first = min(("kitten", "puppy"), key=sentences[place].index)
        assert first == ("puppy", "kitten")[story.answer]
        assert len(words_of(story.text)) <= LENGTH
    words = [
        Counter(w for s in told if s.answer == a for w in words_of(s.text) if w in ("kitten", "puppy")) for a in (0, 1)
    ]
    assert words[0] == words[1]  # no word alone tells
    assert len(VOCABULARY) == len(set(VOCABULARY))
    assert int(as_tensors(told)[0].min()) == 0
    assert 1 not in as_tensors(told)[0]  # every word is known


@pytest.mark.parametrize("seed", range(3))
def test_a_filter_answers_alike_wherever_the_phrase_is(seed):
    """For any weights, number for number; and where the last layer has a weight for every place, scores differ."""
    module, phrase = text_network(CONV, seed), "the kitten chased the puppy."
    for number in range(24):
        first = responses_in(module, f"{phrase} the lamp went out. a bell rang twice.", number)[1]
        last = responses_in(module, f"the lamp went out. a bell rang twice. {phrase}", number)[1]
        np.testing.assert_allclose(first[:4], last[10:14], atol=1e-6)
    flat = moved_scores(text_network(PLACES, seed), seed)
    assert np.abs(flat[1] - flat[2]).max() > 1e-3


def test_a_planted_filter_is_found_and_answers_at_its_phrase():
    module = text_network(CONV)
    conv, embed, out = (module.get_submodule(name) for name in ("conv1", "embedding1", "linear1"))
    wanted = "kitten chased the"
    numbers = [VOCABULARY.index(word) + 2 for word in wanted.split()]
    with torch.no_grad():
        embed.weight.normal_(generator=torch.Generator().manual_seed(0))
        out.weight.zero_()
        out.weight[1, 5] = 1
        conv.weight[5] = embed.weight[numbers].T
        conv.bias.zero_()
    found = word_filters(module, stories(40, 0, 0))
    assert (found[0].number, found[0].phrases[0]) == (5, wanted)
    assert found[0].speaks > 0
    words, strength = responses_in(module, "the rain had stopped. the kitten chased the puppy.", 5)
    assert words[int(strength.argmax())] == "kitten"


def test_an_untrained_network_guesses():
    assert all(0.3 < share < 0.7 for share in accuracy_by_place(text_network(DENSE), n=100))


@pytest.mark.slow
def test_the_whole_experiment():
    found = EXPERIMENTS["sentence"].run(0)
    assert found.holds
    accuracy = list(found.data["accuracy"].values())
    assert min(accuracy[0]) > 0.97
    assert all(other[0] > 0.97 and other[-1] < 0.75 for other in accuracy[1:])
    assert "the places must be pooled too" in found.result
