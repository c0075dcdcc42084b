"""What a run of the command line was told."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import MISSING, dataclass, fields
from functools import partial
from typing import Any

from cnn import checks
from gacnn import augment
from gacnn.fitness.metrics import METRICS
from gacnn.training.arguments import time_left
from gacnn.training.defaults import HEADS

Check = Callable[[Any, str], Any]  # returns the value; ValueError or TypeError if it cannot be one

CLASS_METRICS = sorted(METRICS.keys() - {"mse"})


@dataclass(frozen=True)
class Settings:
    """What `gacnn train` was told: enough to load the same data and to go on.

    data: "digits" or an absolute path. size: (height, width) of images from a folder. test_share:
    of the images that is set aside where the data have no test images of their own. shift: pixels
    that training images are moved by; flip: whether they are mirrored. early_stopping: whether the
    run ends when nothing improves. checkpoint_seconds: that pass between two checkpoints, None
    for `gacnn.Checkpoint` to decide. memory_limit: bytes that loading the data, and a forward pass
    beside them, may take, None for the limits of these. max_pixels: of a picture, None for
    Pillow's limit. device: such as "cuda", None for NumPy. shard: "auto" for a run that a scheduler
    was named to, which goes on with the same bits with or without one. network_seconds: of the time
    limit that are gone, because the first network was made in them. The others are those of `GACNN`
    and `GACNN.train`.
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
    shard: str | None = None
    max_pixels: int | None = None
    device: str | None = None
    checkpoint_seconds: float | None = None
    memory_limit: int | None = None
    validation: float | None = None
    threads: int | None = None
    head: str = "evolved"
    network_seconds: float = 0.0

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
            return cls(**{name: _CHECKS[name](stored[name], name) for name in known})
        except TypeError as error:
            raise ValueError(str(error)) from error

    def training(self) -> dict[str, Any]:
        """Return what they are as arguments of `GACNN.train`."""
        steps: list[Any] = [augment.Shift(self.shift)] if self.shift else []
        steps += [augment.Flip()] if self.flip else []
        return {
            "num_generations": self.num_generations,
            "time_limit": time_left(self.time_limit, self.network_seconds),
            "metric": self.metric,
            "batch_size": self.batch_size or "auto",
            "augment": augment.Compose(*steps) if steps else None,
            "patience": "auto" if self.early_stopping else None,
            "shard": self.shard,
            "device": self.device,
            "validation": "auto" if self.validation is None else self.validation or None,
            "threads": self.threads,
            "head": self.head,
            "memory_limit": self.memory_limit,
        }


def _optional(check: Check) -> Check:
    return lambda value, name: None if value is None else check(value, name)


def _name(value: Any, name: str) -> str:
    if not isinstance(value, str) or not value or "\0" in value:
        raise ValueError(f"{name} must be a name, not {value!r}")
    return value


def _share(value: Any, name: str) -> float:
    share = checks.number(value, name, 0)
    if share >= 1:
        raise ValueError(f"{name} must be below 1, not {value!r}")
    return share


def _seed(value: Any, name: str) -> int:
    seed = checks.whole(value, name, minimum=0)
    if seed >= 2**32:
        raise ValueError(f"{name} must be below {2**32:,}, not {seed}")
    return seed


_number = partial(checks.number, minimum=0)
_CHECKS: dict[str, Check] = {
    "data": _name,
    "size": _optional(checks.pair),
    "test_share": _share,
    "shift": _number,
    "flip": partial(checks.one_of, choices=(True, False)),
    "num_solutions": partial(checks.whole, minimum=2),
    "num_generations": _optional(checks.whole),
    "time_limit": _optional(_number),
    "early_stopping": partial(checks.one_of, choices=(True, False)),
    "batch_size": _optional(checks.whole),
    "metric": partial(checks.one_of, choices=CLASS_METRICS),
    "random_seed": _seed,
    "max_pixels": _optional(checks.whole),
    "shard": partial(checks.one_of, choices=(None, "auto")),
    "device": _optional(_name),
    "checkpoint_seconds": _optional(_number),
    "memory_limit": _optional(checks.whole),
    "validation": _optional(_share),
    "threads": _optional(checks.whole),
    "head": partial(checks.one_of, choices=HEADS),
    "network_seconds": _number,
}
