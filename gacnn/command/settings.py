"""What a run of the command line was told."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from gacnn import augment


@dataclass(frozen=True)
class Settings:
    """What `gacnn train` was told: enough to load the same data and to go on.

    data: "digits" or an absolute path. size: (height, width) of images from a folder. test_share:
    of the images that is set aside where the data have no test images of their own. shift: pixels
    that training images are moved by; flip: whether they are mirrored. early_stopping: whether the
    run ends when nothing improves. shard: "auto" for a run that a scheduler was named to, which
    goes on with the same bits with or without one. The others are those of `GACNN` and
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
    shard: str | None = None

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
            "shard": self.shard,
        }
