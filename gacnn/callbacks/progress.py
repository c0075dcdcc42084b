"""How a run gets on: a bar in a terminal or a notebook, plain lines in a file."""

from __future__ import annotations

import sys
import time
from typing import Any

from gacnn.callbacks.callback import ENDLESS, Callback
from gacnn.callbacks.history import ACCURACY, _short, validating_history
from gacnn.operators.run import Run
from gacnn.types import Array

REDRAWN = 0.1  # seconds between two pictures of the bar
NARROWEST = 4  # columns of the bar itself
INTERVALS = ((60, 10), (600, 30))  # of a run's first seconds: seconds between two lines
LONGEST = 60  # and of all that follow: 74 lines in the first hour, and 60 in any other


class ProgressBar(Callback):
    """A bar from 0 to 100 % of what ends the run, generations or a `TimeLimit`.

    Beside it stand the generations, the time left, the best fitness, and the validation of a
    `History`; where columns are few, in shorter words. It is tqdm's, in a terminal or a notebook.
    Where the output goes into a file there are plain lines instead, every ten seconds at first
    and every minute later on. `disable=True` shows nothing.

    Examples:
        >>> ga = gacnn.GA(
        ...     num_generations=5,
        ...     num_parents_mating=4,
        ...     fitness_func=lambda ga, solution, index: -sum(solution**2),
        ...     sol_per_pop=8,
        ...     num_genes=10,
        ...     callbacks=[gacnn.ProgressBar()],
        ... )
        >>> ga.run()
    """

    is_part_of_run = False

    def __init__(self, *, disable: bool = False) -> None:
        self.disable = disable
        self._display: _Bar | _Lines | None = None

    def on_start(self, ga: Run) -> None:
        """Show the bar, where a resumed run has got to."""
        if self.disable:
            return
        course = _Course(ga)
        if course.since:
            self.say(course.going_on())
        self._display = _Bar(course) if _is_drawn_on() else _Lines(course)

    def on_fitness(self, ga: Run, population_fitness: Array) -> None:
        """Begin to count, when all is prepared."""
        if self._display is not None:
            self._display.course.begin()

    def on_generation(self, ga: Run) -> None:
        """Move on by a generation."""
        if self._display is not None:
            self._display.move()

    def say(self, text: str) -> None:
        """Print a line, above the bar."""
        if isinstance(self._display, _Bar):
            self._display.bar.write(text)
        else:
            print(text, flush=True)

    def close(self) -> None:
        """Leave the bar as it stands."""
        if self._display is not None:
            self._display.close()
            self._display = None


class _Course:
    """What there is to say of a run."""

    def __init__(self, ga: Run) -> None:
        self.ga = ga
        self.since, self.share = ga.generations_completed, ga.progress
        self._evolving_before, self._has_begun = self._evolving, False
        last = self.since + ga.num_generations
        self.last = None if last >= ENDLESS else last

    def begin(self) -> None:
        """Count from here, the first time: what came before was no generation."""
        if not self._has_begun:
            self.share, self._evolving_before = self.ga.progress, self._evolving
            self._has_begun = True

    @property
    def _evolving(self) -> float:
        """Seconds of the generations alone."""
        return self.ga.seconds - self.ga.start_seconds

    @property
    def left(self) -> float | None:
        """Seconds until the run ends, if it goes on as until now; None before anything is known."""
        done = self.ga.progress - self.share
        spent = self._evolving - self._evolving_before
        return spent * (1 - self.ga.progress) / done if done > 0 else None

    def going_on(self) -> str:
        """Return from where a run goes on, and how much is left."""
        if self.ga.num_generations == 0 or self.share >= 1:
            left = "nothing is left to do"
        elif self.last is None:
            left = f"{self.share:.0%} of the time is over"
        else:
            left = f"{self.ga.num_generations:,} to go, {self.share:.0%} are done"
        return f"goes on after generation {self.since:,}: {left}"

    def texts(self) -> list[str]:
        """Return what stands beside the bar, in ever fewer words."""
        ga, left = self.ga, self.left
        done = f"{ga.generations_completed:,}"
        count = done if self.last is None else f"{done}/{self.last:,}"
        remaining = "" if left is None else _clock(left)
        numbers = self._numbers()
        shown = [f"{name} {value}" for name, value in numbers]
        short = ("fit", *(name[:3] for name, _ in numbers[1:]))
        values = [value.replace(" %", "%") for _, value in numbers]
        brief = [f"{name} {value}" for name, value in zip(short, values, strict=True)]
        whole = [
            f"generation {count}" if self.last is None else count,
            f"{remaining} left" if remaining else "",
            *shown,
        ]
        return [
            _joined([*whole, self._rate()], ", "),
            _joined(whole, ", "),
            _joined([count, remaining, *brief], ", "),
            _joined([count, remaining, *brief], " "),
            _joined([count, remaining, *brief[1:]], " "),
            _joined([done, remaining, *brief[-1:]], " "),
        ]

    def _numbers(self) -> list[tuple[str, str]]:
        """Return the names and values of fitness, validation and accuracy, as far as known."""
        ga = self.ga
        numbers = [(ga.evaluator.measure, _short(ga.last_generation_fitness.max(axis=0)))]
        history = validating_history(ga)
        if history is not None and len(history):
            numbers.append(("validation", _short(history["validation"][-1])))
            if ACCURACY in history:
                numbers.append(("accuracy", f"{100 * history[ACCURACY][-1]:.1f} %"))
        return numbers

    def _rate(self) -> str:
        spent = self._evolving - self._evolving_before
        done = self.ga.generations_completed - self.since
        if not spent or not done:
            return ""
        return f"{done / spent:.3g} a second" if done > spent else f"{spent / done:.3g} s each"


class _Bar:
    """tqdm's bar of the share that is done."""

    def __init__(self, course: _Course) -> None:
        from tqdm.auto import tqdm  # where it is used: not every program that evolves shows a bar

        self.course = course
        self.bar: Any = tqdm(
            total=1.0,
            initial=min(1.0, course.share),
            dynamic_ncols=True,
            bar_format="{percentage:3.0f}%|{bar}|",
        )
        self._drawn = 0.0

    def move(self) -> None:
        now = time.monotonic()
        if now - self._drawn >= REDRAWN:
            self._drawn = now
            self._draw()

    def _draw(self) -> None:
        texts = self.course.texts()
        columns = self.bar.format_dict["ncols"]
        room = (columns or 10**6) - len("100%|| ") - NARROWEST
        text = next((each for each in texts if len(each) <= room), texts[-1])
        self.bar.n = self.course.ga.progress
        self.bar.bar_format = "{percentage:3.0f}%|{bar}| " + text.replace("{", "{{")
        self.bar.refresh()

    def close(self) -> None:
        if self.course.ga.generations_completed > self.course.since:
            self._draw()
        self.bar.close()


class _Lines:
    """Plain lines, few enough for a log."""

    def __init__(self, course: _Course) -> None:
        self.course = course
        self._said = self._began = time.monotonic()
        self._latest = course.since

    def move(self) -> None:
        now = time.monotonic()
        age = now - self._began
        interval = next((each for until, each in INTERVALS if age <= until), LONGEST)
        if now - self._said >= interval:
            self._said = now
            self._say()

    def _say(self) -> None:
        self._latest = self.course.ga.generations_completed
        text = self.course.texts()[0]
        print(f"{self.course.ga.progress:4.0%}, {text}", file=sys.stderr, flush=True)

    def close(self) -> None:
        if self.course.ga.generations_completed > self._latest:
            self._say()


def _joined(parts: list[str], separator: str) -> str:
    return separator.join(part for part in parts if part)


def _clock(seconds: float) -> str:
    """Return seconds as 1:05, or 2:01:05."""
    minutes, second = divmod(round(seconds), 60)
    hours, minute = divmod(minutes, 60)
    return f"{hours}:{minute:02}:{second:02}" if hours else f"{minute}:{second:02}"


def _is_drawn_on() -> bool:
    """Tell whether what is written may be written over: in a terminal or a notebook."""
    return sys.stderr.isatty() or in_notebook()


def in_notebook() -> bool:
    """Tell whether this is the kernel of a notebook."""
    shell = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    return shell is not None and "IPKernelApp" in shell.config
