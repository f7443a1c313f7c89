"""Network and data fitted to each other: channels, vocabulary, outputs; and the contract that follows from both."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from striate.analysis import analyse, infer
from striate.datasets import DataSet
from striate.errors import RecipeError, SpecError, nearest, shape_text
from striate.learning import Recipe
from striate.loading.network import input_shape
from striate.model.contract import IMAGES, OF_CHANNELS, RESIZE, Contract
from striate.model.words import FIRST, vocabulary_of
from striate.spec import Embedding, Graph, Shape, Softmax, lower


@dataclass(frozen=True, eq=False)
class InputPlan:
    """How the items of some data are to become inputs: what a network has to fit.

    Args:
        dataset: The data.
        given: A contract whose preparation is kept: of the weights that are fine-tuned, or of the run so far.
        resize: As requested.
        size: The requested input: a shape, its text, or the side of square images.
    """

    dataset: DataSet
    given: Contract | None
    resize: str | None
    size: Shape | str | int | None

    @cached_property
    def input(self) -> Shape | None:
        """The requested input."""
        channels = self.given.input[0] if self.given else self.dataset.input[0]
        return None if self.size is None else input_shape(self.size, channels, text=self.mode == "text")

    @property
    def says_channels(self) -> bool:
        """Whether the channels are requested or those of a given contract, and not only those of the data."""
        return self.given is not None or isinstance(self.size, tuple) or "x" in str(self.size or "")

    @cached_property
    def item(self) -> Shape:
        """An item as it comes, in the channels that it is read in."""
        channels = self.input[0] if self.input else self.given.input[0] if self.given else self.dataset.input[0]
        return (channels, *self.dataset.input[1:]) if self.mode != "text" else self.dataset.input

    @property
    def mode(self) -> str:
        return self.dataset.mode

    @cached_property
    def vocabulary(self) -> tuple[str, ...]:
        """The training texts' words; those of the contract that was given."""
        if self.mode != "text" or self.given:
            return self.given.vocabulary if self.given else ()
        return vocabulary_of(str(text) for text in self.dataset.train.inputs)


def check_plan(plan: InputPlan, channels: int | None, path: str) -> None:
    """RecipeError where a rule of resizing, or channels, are requested and there is no choice.

    Args:
        plan: How items are to become inputs.
        channels: What images are to be read as.
        path: The model file that is fine-tuned, whose preparation is kept; or empty.
    """
    resize, given = plan.resize, plan.given
    if resize is None and channels is None:
        return
    if resize is not None and resize not in RESIZE:
        raise RecipeError(f"resize is {resize!r}{nearest(resize, RESIZE)}")
    if resize is not None and plan.mode not in (*IMAGES, "channels"):
        raise RecipeError(f"resize {resize} is for images, and these are {plan.mode}; omit it")
    if path and given and resize not in (None, given.resize):
        raise RecipeError(f"resize {resize}: the preparation is that of {path}, {given.resize}; omit it")
    if path and given and channels not in (None, given.input[0]):
        raise RecipeError(f"channels {channels}: the model in {path} takes {given.input[0]}; omit it")


def vocabulary_size(plan: InputPlan) -> int:
    """The size of the vocabulary, with the numbers for padding and unknown words; 0 where the data are no texts."""
    return len(plan.vocabulary) + FIRST if plan.mode == "text" else 0


def vocabulary_for(plan: InputPlan, graph: Graph, name: str) -> tuple[str, ...]:
    """The vocabulary for *graph*: the most frequent words, no more than its embedding has room for.

    Raises:
        SpecError: It does not start with an embedding, or with one that has no room for the words of a given contract.
    """
    if plan.mode != "text":
        return ()
    first = graph.nodes[0].op
    if not isinstance(first, Embedding):
        raise SpecError(
            f"{_subject(name)} starts with {first}, but texts are word indices; start it with: embedding WORDS 300"
        )
    room, size = first.words - FIRST, vocabulary_size(plan)
    if room < 1 or (plan.given and room < len(plan.vocabulary)):
        raise SpecError(
            f"the embedding of {_subject(name)} has room for {first.words} words, expected {size} (two of them for "
            f"padding and unknown words); start it with: embedding {size} {first.out}"
        )
    return plan.vocabulary[:room]


def fitted(graph: Graph, dataset: DataSet, name: str) -> Graph:
    """*graph*, if its input and its output are what the data need; SpecError, with the fix, where not."""
    input = graph.input
    assert input is not None
    shown, who = shape_text(input), _subject(name)
    if dataset.mode in IMAGES and (len(input) != 3 or input[0] not in OF_CHANNELS):
        flat = " words or features" * (len(input) == 1)
        raise SpecError(
            f"{who} takes {shown}{flat}, but the data are images: 1, 3 or 4 channels, height and width; use a network "
            "for images"
        )
    if dataset.mode == "channels" and (len(input) != 3 or input[0] != dataset.input[0]):
        raise SpecError(f"{who} takes {shown}, but the images have {dataset.input[0]} channels, height and width")
    if dataset.mode == "values" and input != dataset.input:
        wanted = shape_text(dataset.input)
        raise SpecError(f"{who} takes {shown}, but the values are {wanted}, and are not resized; input {wanted}")
    if dataset.mode == "text" and len(input) != 1:
        raise SpecError(f"{who} takes {shown}, but a text is one number of words, such as {dataset.input[0]}")
    shapes, problems = infer(graph)
    if not problems:
        _check_output(graph, shapes[graph.output], dataset, name)
    return graph


def check_start_size(recipe: Recipe, graph: Graph, contract: Contract, name: str) -> None:
    """RecipeError where training is to begin with smaller images, which the network or the task does not take."""
    if recipe.start_size == 1 or len(contract.input) != 3:
        return
    channels, *sides = contract.input
    small = (channels, *recipe.sides_at(sides, 0))
    start = f"start_size={recipe.start_size:g}"
    if contract.task.per_pixel:
        raise RecipeError(f"{start}: a mask stays as large as its image, which has to keep its size too; omit it")
    begun = analyse(lower(graph, small))
    if begun.problems or begun.parameters != analyse(graph).parameters:
        raise RecipeError(
            f"{start}: {name} takes images of {shape_text(contract.input)} only, not of {shape_text(small)} to begin "
            f"with; omit it, or take a network that ends in global pooling, such as vgg_small"
        )


def _check_output(graph: Graph, output: Shape, dataset: DataSet, name: str) -> None:
    assert graph.input is not None
    n, task = len(dataset.classes), dataset.task
    expected = task.outputs_of(n, graph.input)
    if output == expected:
        if isinstance(graph.nodes[-1].op, Softmax) and task.no_softmax:
            raise SpecError(
                f"{_subject(name)} ends with a softmax, whose outputs compete, but {dataset.name} has "
                f"{task.no_softmax}; omit it"
            )
        return
    if not task.per_pixel:
        raise SpecError(
            f"{_subject(name)}: output {shape_text(output)} does not match the {task.count(n)} of {dataset.name}; end "
            f"the network with: flatten; linear {n}"
        )
    came = f"{_subject(name)}: output {shape_text(output)}, but {dataset.name}"
    way_out = f"end it with: conv {n} 1, at the input's size"
    if len(output) == 3 and output[0] == n:
        way_out = "change the padding or the strides so that the size stays the same"
    raise SpecError(f"{came} needs {shape_text(expected)}, a prediction for every pixel; {way_out}")


def _subject(name: str) -> str:
    """What a message calls the network."""
    return "the network" if name == "net" else name
