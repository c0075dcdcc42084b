"""Small tables, as text and as HTML for notebooks."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from cnn.checks import printable

Row = Sequence[str]


def as_text(header: Row, rows: Iterable[Row], *, names: int = 0, total: Row | None = None) -> str:
    """Return a table of fixed width; the first `names` columns are set left, the others right.

    Control characters in cells, such as those of a class name in a stranger's file, are escapes.
    """
    body = [list(map(printable, row)) for row in (header, *rows, *([total] if total else []))]
    widths = [max(map(len, column)) for column in zip(*body, strict=True)]
    lines = [
        "  ".join(
            cell.ljust(width) if column < names else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        for row in body
    ]
    rule = "-" * len(lines[0])
    lines.insert(1, rule)
    if total:
        lines.insert(-1, rule)
    return "\n".join(lines)


def as_html(header: Row, rows: Iterable[Row], *, names: int = 0, total: Row | None = None) -> str:
    """Return the same table for a notebook, its text escaped; an empty header is left out."""
    parts = [("thead", "th", [header]), ("tbody", "td", rows), ("tfoot", "th", [total or ()])]
    inside = ""
    for part, tag, lines in parts:
        written = "".join(_html_row(row, tag, names) for row in lines if row)
        inside += f"<{part}>{written}</{part}>" if written else ""
    return f"<table>{inside}</table>"


def _html_row(row: Row, tag: str, names: int) -> str:
    from html import escape  # where it is used: most programs write no HTML

    cells = (
        f'<{tag} style="text-align: {"left" if column < names else "right"}">{escape(text)}</{tag}>'
        for column, text in enumerate(row)
    )
    return f"<tr>{''.join(cells)}</tr>"
