"""Words of strangers on their way to a terminal or a spreadsheet."""

from __future__ import annotations

import argparse
import re
import sys
from typing import IO, Any, NoReturn

from cnn import checks
from cnn.checks import printable
from gacnn.command.wording import in_options

_FORMULA = tuple("=+-@\uff1d\uff0b\uff0d\uff20")  # the last four are their full-width forms


def lines(text: object) -> str:
    """Return text that steers no terminal: all control characters but newlines are escapes."""
    return printable(text, also="\n")


def say(*text: object, **where: Any) -> None:
    """Print lines, to standard output if not said otherwise."""
    print(*map(lines, text), **where)


def complain(what: object, error: BaseException | None = None) -> None:
    """Print what is wrong, in the words of the command line, with the notes of an error."""
    if isinstance(what, OSError) and what.strerror and what.filename is not None:
        what = f"{what.filename}: {what.strerror}"  # as other commands say it
    notes = map(in_options, getattr(error, "__notes__", ()))
    say(f"gacnn: {in_options(str(what))}", *notes, sep="\n", file=sys.stderr)


def cell(text: object) -> str:
    """Return text for a cell of CSV that no spreadsheet takes for a formula.

    A quotation mark is put before one, as spreadsheets do that are to show it.
    """
    shown = printable(text)
    return f"'{shown}" if shown.lstrip().startswith(_FORMULA) else shown


class Parser(argparse.ArgumentParser):
    """Reads a command line, and repeats of it only what steers no terminal."""

    def error(self, message: str) -> NoReturn:
        """Say what is wrong and, of a word that is nearly another one, what was meant."""
        found = re.search(r"invalid choice: '([^']*)' \(choose from (.*)\)$", message)
        meant = checks.nearest(found[1], re.findall(r"\w+", found[2])) if found else ""
        usage = self._get_formatter()
        needed = [each for each in self._actions if each.required or not each.option_strings]
        usage.add_usage(self.usage, needed, [])
        more = f"{self.prog} --help lists all options"  # which would hide what is wrong
        self.exit(2, f"{usage.format_help()}{self.prog}: error: {message}{meant}\n{more}\n")

    def _print_message(self, message: str, file: IO[str] | None = None) -> None:  # type: ignore[override]
        super()._print_message(lines(message), file)
