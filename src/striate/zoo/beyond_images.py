"""Networks for what is no image: sentences (one axis) and volumes (three)."""

from __future__ import annotations

from striate.spec import (
    AdaptiveAvgPool,
    AdaptiveMaxPool,
    Cat,
    Conv,
    Dropout,
    Embedding,
    Flatten,
    LeakyReLU,
    Linear,
    MaxPool,
    ReLU,
    Seq,
)


def textcnn(classes: int = 2, words: int = 20_000) -> Seq:
    """TextCNN: Kim 2014, "Convolutional neural networks for sentence classification", figure 1 and section 3.1. Word
    vectors of 300, filters over 3, 4 and 5 words, 100 of each, the largest value of each over the sentence, dropout
    of a half, fully connected. *words* is the size of the vocabulary.
    """
    branches = {
        f"width{w}": Seq(conv=Conv(100, w), relu=ReLU(), pool=AdaptiveMaxPool(1), flat=Flatten()) for w in (3, 4, 5)
    }
    return Seq(embed=Embedding(words, 300), maps=Cat(**branches), drop=Dropout(), out=Linear(classes))


def text_small(classes: int = 2, words: int = 20_000) -> Seq:
    """A small network for sentences: word vectors of 64 under dropout, filters over single words and pairs, 64 of each,
    and their mean over the sentence, as in Iyyer et al. 2015, "Deep unordered composition rivals syntactic methods for
    text classification", where TextCNN takes the largest value. A fifth of TextCNN's weights, and better from nothing.
    """
    branches = {
        f"width{w}": Seq(conv=Conv(64, w), relu=ReLU(), pool=AdaptiveAvgPool(1), flat=Flatten()) for w in (1, 2)
    }
    return Seq(
        embed=Embedding(words, 64), drop_words=Dropout(), maps=Cat(**branches), drop=Dropout(), out=Linear(classes)
    )


def voxnet(classes: int = 40) -> Seq:
    """VoxNet: Maturana and Scherer 2015, "VoxNet: a 3D convolutional neural network for real-time object
    recognition", section III-C, for 32x32x32 voxels: C(32, 5, 2), C(32, 3, 1), P(2), FC(128), FC(K).
    """
    return Seq(
        conv1=Conv(32, 5, stride=2), relu1=LeakyReLU(0.1), drop1=Dropout(0.2),
        conv2=Conv(32, 3), relu2=LeakyReLU(0.1), pool2=MaxPool(2), drop2=Dropout(0.3), flat=Flatten(),
        fc1=Linear(128), relu3=ReLU(), drop3=Dropout(0.4),
        fc2=Linear(classes),
    )  # fmt: skip
