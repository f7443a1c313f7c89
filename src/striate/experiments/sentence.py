"""``sentence``: word filters of a text network, and the same phrase in the first and in the last sentence."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from striate.experiments.fitting import built, fit_tensors, scores_of, share_right
from striate.experiments.outcome import Experiment, Gallery, Outcome, ResultTable, Say, columns
from striate.inspect import capture
from striate.learning import evaluating
from striate.model.words import numbers_of, vocabulary_of, words_of
from striate.plotting import ColourScale, Panel, word_panel
from striate.report.lines import ChartLine, LineChart

SENTENCES = 4
LENGTH = 36  # words of a text; shorter ones are filled up
VERBS = ("chased", "followed", "watched", "found")
OPENINGS = ("", "today", "one morning", "in the garden", "late at night", "behind the house")
# what else is told: of the weather, of the house, of people; the animals are in no other sentence
FILLERS = (
    "the rain had stopped", "a warm wind came up", "the sky was grey", "nobody was at home", "the door stood open",
    "a bell rang twice", "the tea was still hot", "someone played the piano", "the street was quiet",
    "a train passed by", "the lamp went out", "the children slept", "a letter lay on the table",
    "the old clock struck nine", "the road was wet", "a boat left the harbour",
)  # fmt: skip
ANSWERS = ("the puppy", "the kitten")  # who did it: classes 0 and 1
NETWORKS = {  # each begins with a vector of 16 for each word
    "convolution, largest value over the text": "conv 24 3; relu; adaptivemaxpool 1; flatten; linear 2",
    "convolution, a weight for every place": "conv 24 3; relu; flatten; linear 2",
    "fully connected": "flatten; linear 24; relu; linear 2",
}


@dataclass(frozen=True)
class Story:
    """Some sentences, one of which says who chased whom; and which of ``ANSWERS`` did it."""

    text: str
    answer: int


def tell_story(rng: np.random.Generator, place: int, answer: int) -> Story:
    """A story of ``SENTENCES`` sentences whose sentence number *place* (from 0) says who did it.

    The words of both answers are the same, so that only their order tells.

    >>> tell_story(np.random.default_rng(0), 0, 1).text.split(".")[0]
    'behind the house the kitten watched the puppy'
    """
    opening = OPENINGS[rng.integers(len(OPENINGS))]
    verb = VERBS[rng.integers(len(VERBS))]
    one, other = ANSWERS[answer], ANSWERS[1 - answer]
    phrase = f"{opening} {one} {verb} {other}".strip()
    sentences = [FILLERS[i] for i in rng.choice(len(FILLERS), SENTENCES - 1, replace=False)]
    sentences.insert(place, phrase)
    return Story(" ".join(f"{sentence}." for sentence in sentences), answer)


def stories(n: int, place: int, seed: int) -> list[Story]:
    """*n* stories, as many of each answer, with the phrase in the same *place*.

    >>> sum(story.answer for story in stories(10, 3, 0))
    5
    """
    rng = np.random.default_rng([seed, place])
    return [tell_story(rng, place, i % 2) for i in range(n)]


VOCABULARY = vocabulary_of([*OPENINGS, *FILLERS, *VERBS, *ANSWERS, "."])


def as_tensors(told: list[Story]) -> tuple[Tensor, Tensor]:
    """The stories as word numbers, int64 ``(N, LENGTH)``, and their answers ``(N,)``.

    >>> as_tensors(stories(2, 0, 0))[0].shape
    torch.Size([2, 36])
    """
    x = numbers_of([story.text for story in told], VOCABULARY, LENGTH)
    return torch.from_numpy(x), torch.tensor([story.answer for story in told])


def text_network(body: str, seed: int = 0) -> nn.Module:
    """One of ``NETWORKS`` behind its word vectors.

    >>> text_network("flatten; linear 2")(torch.zeros(3, LENGTH, dtype=torch.int64)).shape
    torch.Size([3, 2])
    """
    return built(f"input {LENGTH}; embedding {len(VOCABULARY) + 2} 16; {body}", seed)


def train_on_place(body: str, place: int = 0, *, n: int = 800, epochs: int = 12, seed: int = 0) -> nn.Module:
    """A network trained on stories with the phrase in one *place* only."""
    module = text_network(body, seed)
    x, y = as_tensors(stories(n, place, 2 * seed))
    fit_tensors(module, x, y, seed=seed, epochs=epochs, batch_size=32, lr=5e-3)
    return module


def accuracy_by_place(module: nn.Module, n: int = 400, seed: int = 0) -> tuple[float, ...]:
    """The accuracy of *module* on new stories, for each place of the phrase.

    >>> len(accuracy_by_place(text_network("flatten; linear 2"), n=4))
    4
    """
    return tuple(share_right(module, *as_tensors(stories(n, place, 2 * seed + 1))) for place in range(SENTENCES))


@dataclass(frozen=True)
class WordFilter:
    """A filter over three words: the phrases that excite it most, and how much it speaks for the kitten (below 0: for
    the puppy) where it is excited most."""

    number: int
    phrases: tuple[str, ...]
    speaks: float


def word_filters(module: nn.Module, told: list[Story], top: int = 3) -> list[WordFilter]:
    """The filters of ``conv1`` of *module*, those that say most first.

    >>> found = word_filters(text_network(NETWORKS["convolution, largest value over the text"]), stories(20, 0, 0))
    >>> len(found), len(found[0].phrases[0].split())
    (24, 3)
    """
    x, _ = as_tensors(told)
    with evaluating(module), torch.no_grad(), capture(module, "relu1") as seen:
        module(x)
    responses = seen["relu1"]  # (N, filters, places)
    weight = module.state_dict()["linear1.weight"].numpy()
    texts = [words_of(story.text) for story in told]
    found = []
    for k in range(responses.shape[1]):
        strength: dict[str, float] = {}
        for words, row in zip(texts, responses[:, k], strict=True):
            for i in range(len(words) - 2):
                phrase = " ".join(words[i : i + 3])
                strength[phrase] = max(strength.get(phrase, 0.0), float(row[i]))
        best = sorted(strength, key=lambda phrase: -strength[phrase])[:top]
        found.append(WordFilter(k, tuple(best), float(strength[best[0]] * (weight[1, k] - weight[0, k]))))
    return sorted(found, key=lambda f: -abs(f.speaks))


def responses_in(module: nn.Module, text: str, number: int) -> tuple[list[str], np.ndarray]:
    """The words of *text*, and of each how strongly filter *number* answers to the three words that begin with it.

    >>> words, strength = responses_in(text_network("conv 24 3; relu; flatten; linear 2"), "the kitten chased it.", 0)
    >>> len(words) == len(strength)
    True
    """
    words = words_of(text)[:LENGTH]
    x = torch.from_numpy(numbers_of([text], VOCABULARY, LENGTH))
    with evaluating(module), torch.no_grad(), capture(module, "relu1") as seen:
        module(x)
    row = np.zeros(len(words))
    response = seen["relu1"][0, number][: len(words)]
    row[: len(response)] = response
    return words, row


def moved_scores(module: nn.Module, seed: int = 0) -> np.ndarray:
    """The scores of *module* ``(SENTENCES, 2)`` for one story whose telling sentence is moved from the first place to
    the last, the others staying in their order.
    """
    rng = np.random.default_rng(seed)
    others = [FILLERS[i] for i in rng.choice(len(FILLERS), SENTENCES - 1, replace=False)]
    told = []
    for place in range(SENTENCES):
        sentences = [*others[:place], "the kitten chased the puppy", *others[place:]]
        told.append(Story(" ".join(f"{sentence}." for sentence in sentences), 1))
    return scores_of(module, as_tensors(told)[0]).numpy()


def sentence(seed: int, say: Say) -> Outcome:
    """The experiment: trained with the phrase in the first sentence, asked with it in each."""
    modules, accuracy = {}, {}
    for name, body in NETWORKS.items():
        modules[name] = train_on_place(body, seed=seed)
        accuracy[name] = accuracy_by_place(modules[name], seed=seed)
        say(
            f"{name}: {accuracy[name][0]:.1%} with the phrase in the first sentence, {accuracy[name][-1]:.1%} in the "
            "last"
        )
    conv, places, dense = NETWORKS
    module = modules[conv]
    filters = word_filters(module, stories(400, 0, 2 * seed + 1))
    moved = moved_scores(module, seed)
    first, last = accuracy[conv][0], accuracy[conv][-1]
    holds = last > 0.95 and first - last < 0.02
    result = (
        "Trained on texts that say it in their first sentence, the convolution with the largest value over the text "
        f"has {first:.1%} right there and {last:.1%} where the last sentence says it. With the same filters but a "
        f"weight for every place it falls to {accuracy[places][-1]:.1%}, fully connected to "
        f"{accuracy[dense][-1]:.1%} (guessing has 50%): sharing the filters is not enough, the places must be pooled "
        "too."
    )
    named = [f"{SENTENCE_NAMES[i]} sentence" for i in range(SENTENCES)]
    best = [next(f for f in filters if (f.speaks > 0) == (side > 0)) for side in (1, -1)]
    panels, scale = _text_panels(module, best, seed)
    parts = (
        ResultTable(
            "Accuracy on new texts",
            (("network", ""), *((f"in the {name}", ".1%") for name in named)),
            tuple((name, *accuracy[name]) for name in NETWORKS),
            "Trained with the phrase in the first sentence only; 400 new texts for each column. Below 50%: what was "
            "learned of the words at one place is wrong at another.",
        ),
        LineChart(
            "Accuracy by where the phrase stands",
            "sentence with the phrase",
            tuple(ChartLine(name, tuple((float(i), v) for i, v in enumerate(accuracy[name], 1))) for name in NETWORKS),
            y=".0%",
        ),
        Gallery(
            "One filter, the same phrase, two places",
            panels,
            "Each word is coloured by how strongly the filter answers to the three words that begin there. The "
            "phrase moves, the answer moves with it, and its strength is the same: the largest value over the text "
            "does not change.",
            scale,
        ),
        ResultTable(
            "What the filters look for",
            columns("filter | the three words it answers to most | next | next but one | speaks for the kitten:+.2f"),
            tuple((str(f.number), *(f'"{phrase}"' for phrase in f.phrases), f.speaks) for f in filters[:8]),
            "The eight of 24 filters that say most, with the phrases of 400 texts that excite them most. The last "
            "column is the largest answer times its weight for the kitten, less that for the puppy: below 0 it "
            "speaks for the puppy.",
        ),
        ResultTable(
            "The same sentence, moved through one text",
            columns("it stands in the | score of the puppy:.6f | score of the kitten:.6f"),
            tuple((name, *map(float, row)) for name, row in zip(named, moved, strict=True)),
            "“The kitten chased the puppy” among the same three other sentences. What differs comes from the filters "
            "that reach over the ends of the sentence, and meet other words there.",
        ),
    )
    return Outcome(
        result, holds, parts, {"accuracy": accuracy, "networks": modules, "filters": filters, "scores": moved}
    )


SENTENCE_NAMES = ("first", "second", "third", "last")


def _text_panels(module: nn.Module, filters: list[WordFilter], seed: int) -> tuple[tuple[Panel, ...], ColourScale]:
    rng = np.random.default_rng(seed)
    others = [FILLERS[i] for i in rng.choice(len(FILLERS), SENTENCES - 1, replace=False)]
    told = []
    for found, answer in zip(filters, (1, 0), strict=True):
        phrase = f"{ANSWERS[answer]} chased {ANSWERS[1 - answer]}"
        for place, some in (("first", [phrase, *others]), ("last", [*others, phrase])):
            title = f"Filter {found.number}: {phrase}, in the {place} sentence"
            told.append((title, *responses_in(module, ". ".join(some) + ".", found.number)))
    scale = ColourScale.of(*(strength for _, _, strength in told))
    return tuple(word_panel(words, some, scale, title=title, side=340) for title, words, some in told), scale


EXPERIMENT = Experiment(
    "sentence",
    "Sentences: the kitten in the first and in the last sentence",
    "In a text it does not matter whether the kitten comes in the first sentence or in the last: filters that slide "
    "over the words and share their weights find a phrase wherever it stands.",
    "the lectures' example of statistical invariance; Kim 2014, Convolutional Neural Networks for Sentence "
    "Classification",
    "Texts of four sentences are made, of which one says either that the kitten chased the puppy or that the puppy "
    "chased the kitten: the same words, so that only their order tells. Three networks are trained on 800 texts that "
    "say it in their first sentence, and asked about texts that say it in the second, third and last.",
    sentence,
)
