"""What a run of the command line was told."""

from __future__ import annotations

from dataclasses import MISSING, dataclass, fields
from typing import Any

from cnn import checks
from cnn.model import MEMORY_LIMIT
from gacnn import augment
from gacnn.fitness.metrics import METRICS

CLASS_METRICS = sorted(METRICS.keys() - {"mse"})


@dataclass(frozen=True)
class Settings:
    """What `gacnn train` was told: enough to load the same data and to go on.

    data: "digits" or an absolute path. size: (height, width) of images from a folder. test_share:
    of the images that is set aside where the data have no test images of their own. shift: pixels
    that training images are moved by; flip: whether they are mirrored. early_stopping: whether the
    run ends when nothing improves. checkpoint_seconds: that pass between two checkpoints, None
    for `gacnn.Checkpoint` to decide. memory_limit: bytes that loading the data, and a forward pass
    beside them, may take, None for the limits of these. The others are those of `GACNN` and
    `GACNN.train`.
    """

    data: str
    size: tuple[int, int] | None
    test_share: float
    shift: float
    flip: bool
    num_solutions: int
    num_generations: int | None
    time_limit: float | None
    early_stopping: bool
    batch_size: int | None
    metric: str
    random_seed: int
    checkpoint_seconds: float | None = None
    memory_limit: int | None = None

    @classmethod
    def of(cls, stored: dict[str, Any]) -> Settings:
        """Return what somebody has stored; ValueError for what it lacks, or what cannot be."""
        missing = [
            field.name
            for field in fields(cls)
            if field.default is MISSING and field.name not in stored
        ]
        if missing:
            raise ValueError(f"it does not say {', '.join(missing)}")
        known = [field.name for field in fields(cls) if field.name in stored]
        try:
            return cls(**{name: _checked(name, stored[name]) for name in known})
        except TypeError as error:
            raise ValueError(str(error)) from error

    def training(self) -> dict[str, Any]:
        """Return what they are as arguments of `GACNN.train`."""
        steps: list[Any] = [augment.Shift(self.shift)] if self.shift else []
        steps += [augment.Flip()] if self.flip else []
        return {
            "num_generations": self.num_generations,
            "time_limit": self.time_limit,
            "metric": self.metric,
            "batch_size": self.batch_size or "auto",
            "augment": augment.Compose(*steps) if steps else None,
            "patience": "auto" if self.early_stopping else None,
            "memory_limit": self.memory_limit or MEMORY_LIMIT,
        }


_OPTIONAL = {
    *("size", "num_generations", "time_limit", "batch_size", "checkpoint_seconds", "memory_limit")
}
_WHOLE = {"num_solutions": 2, "num_generations": 1, "batch_size": 1, "memory_limit": 1}


def _checked(name: str, value: Any) -> Any:
    """Return the value of a setting; ValueError or TypeError where it cannot be one."""
    if value is None and name in _OPTIONAL:
        return None
    if name == "data":
        if not isinstance(value, str) or not value or "\0" in value:
            raise ValueError(f"data must be the name of some, not {value!r}")
        return value
    if name == "size":
        return checks.pair(value, name)
    if name == "metric":
        return checks.one_of(value, name, CLASS_METRICS)
    if name in ("flip", "early_stopping"):
        return checks.one_of(value, name, (True, False))
    if name == "random_seed":
        seed = checks.whole(value, name, minimum=0)
        if seed >= 2**32:
            raise ValueError(f"random_seed must be below {2**32:,}, not {seed}")
        return seed
    if name in _WHOLE:
        return checks.whole(value, name, minimum=_WHOLE[name])
    number = checks.number(value, name, 0)  # of seconds, pixels or a share
    if name == "test_share" and number >= 1:
        raise ValueError(f"test_share must be below 1, not {value!r}")
    return number
