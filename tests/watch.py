"""A clock that goes on only by what callbacks say that they take."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest


class Watch:
    """Takes the place of `time.monotonic`."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 1000.0
        monkeypatch.setattr(time, "monotonic", lambda: self.now)

    def takes(self, seconds: float) -> Callable[[Any], None]:
        """Return a callback that takes so many seconds."""

        def listen(ga: Any) -> None:
            self.now += seconds

        return listen
