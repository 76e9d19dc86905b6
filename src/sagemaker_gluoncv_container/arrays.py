"""The arrays that modules pass to each other, by what they hold; a docstring that names one gives its shape."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

# Colours as a file holds them, 0-255.
Pixels = NDArray[np.uint8]
# What a net takes and gives: planes, weights, probabilities.
Floats = NDArray[np.float32]
# Statistics, which add up many numbers.
Doubles = NDArray[np.float64]
# Counts, class ids and places in another array.
Integers = NDArray[np.int64]
Flags = NDArray[np.bool_]
# Arrays by name: a net's parameters, or what a file holds.
Arrays = dict[str, NDArray[Any]]
