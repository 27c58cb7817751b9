"""Several voices in one signal. Pure.

The mix is made while the voices are written: each new piece is added to what its time already
holds. So it is complete at any moment, needs no memory, and does not make the end of a long
meeting wait.
"""

import numpy as np
import numpy.typing as npt

_FULL = 32767.0
_KNEE = 28672.0
"""7/8 of full scale: below it sums are exact, above it they approach full scale and never clip."""


def mixed(there: npt.NDArray[np.int16], new: npt.NDArray[np.int16]) -> npt.NDArray[np.int16]:
    """Add two signals of one shape. Where one of them is silent the other is left as it is."""
    total = there.astype(np.int32) + new
    loud = (np.abs(total) > _KNEE) & (there != 0) & (new != 0)
    if loud.any():
        excess = (np.abs(total[loud]) - _KNEE) / (_FULL - _KNEE)
        total[loud] = np.sign(total[loud]) * (_KNEE + (_FULL - _KNEE) * np.tanh(excess))
    return total.astype(np.int16)
