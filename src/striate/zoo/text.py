"""Convolution over sentences: Kim 2014, "Convolutional neural networks for sentence classification"."""

from __future__ import annotations

from striate.spec import AdaptiveMaxPool, Cat, Conv, Dropout, Embedding, Flatten, Linear, ReLU, Seq


def textcnn(classes: int = 2, words: int = 20_000) -> Seq:
    """The paper's figure 1 and section 3.1: word vectors of 300, filters over 3, 4 and 5 words, 100 of each, the
    largest value over the sentence of each, dropout of a half, fully connected. *words* is the vocabulary's size.
    """
    branches = {
        f"width{w}": Seq(conv=Conv(100, w), relu=ReLU(), pool=AdaptiveMaxPool(1), flat=Flatten()) for w in (3, 4, 5)
    }
    return Seq(embed=Embedding(words, 300), maps=Cat(**branches), drop=Dropout(), out=Linear(classes))
