"""The page's arithmetic against PyTorch's, on networks drawn at random and on those of the zoo."""

import json

import numpy as np
import pytest
from conftest import Answer  # noqa: F401  (the root's conftest is loaded)
