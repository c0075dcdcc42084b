"""Looks at the built documentation in Chromium, as from disk: `make docs-look`.

Every page is opened at 1,400 and 400 pixels, light and dark. Screenshots go to build/screens; what
is wrong (links and pictures that lead nowhere, errors in the console, a page wider than the
window, a search that finds nothing) is listed, and the exit code is then 1. The browser is driven
through a pipe, in the words of the DevTools protocol, so that nothing but Chromium is needed.
"""

from __future__ import annotations

import base64
import itertools
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

ROOT = Path(__file__).parent.parent
SITE, SCREENS = ROOT / "build/site", ROOT / "build/screens"
WIDTHS = (1400, 400)
SCHEMES = ("light", "dark")
FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
    "--remote-debugging-pipe",
]
LOOK = """({
    width: document.documentElement.scrollWidth,
    height: document.documentElement.scrollHeight,
    ids: [...document.querySelectorAll("[id], [name]")].map(each => each.id || each.name),
    links: [...document.querySelectorAll("a[href]")].map(each => each.href),
    pictures: [...document.images].filter(each => each.complete && !each.naturalWidth)
        .filter(each => each.offsetParent).map(each => each.src),
})"""
SEARCH = """(async () => {
    document.querySelector("label[for=__search]").click();
    const field = document.querySelector(".md-search__input");
    field.focus();
    field.value = "checkpoint";
    for (let i = 0; i < 50; i++) {
        field.dispatchEvent(new Event("keyup", {bubbles: true}));
        await new Promise(done => setTimeout(done, 100));
        const found = document.querySelectorAll(".md-search-result__item").length;
        if (found) return found;
    }
    return 0;
})()"""


class Browser:
    """Chromium at the other end of a pipe."""

    def __init__(self, to: int, back: int) -> None:
        self._to, self._back = to, back
        self._rest = b""
        self._numbers = itertools.count(1)
        self._session: str | None = None
        self.events: list[dict[str, Any]] = []
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        attached = self.call("Target.attachToTarget", targetId=target, flatten=True)
        self._session = attached["sessionId"]
        for domain in ("Page", "Runtime", "Log"):
            self.call(f"{domain}.enable")

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Return what the browser answers; events that come first are kept."""
        number = next(self._numbers)
        message = {"id": number, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._to, json.dumps(message).encode() + b"\0")
        while (answer := self._read()).get("id") != number:
            self.events.append(answer)
        if "error" in answer:
            raise RuntimeError(f"{method}: {answer['error']}")
        result: dict[str, Any] = answer["result"]
        return result

    def wait_for(self, event: str) -> None:
        """Wait until an event has come."""
        while all(each.get("method") != event for each in self.events):
            self.events.append(self._read())

    def _read(self) -> dict[str, Any]:
        while b"\0" not in self._rest:
            self._rest += os.read(self._back, 1 << 20)
        text, self._rest = self._rest.split(b"\0", 1)
        message: dict[str, Any] = json.loads(text)
        return message

    def evaluate(self, code: str) -> Any:
        """Return the value of an expression in the page."""
        answer = self.call(
            "Runtime.evaluate", expression=code, returnByValue=True, awaitPromise=True
        )
        return answer["result"].get("value")

    def open(self, page: Path, width: int, scheme: str) -> None:
        """Open a page in a window of this width."""
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        self.call("Emulation.setEmulatedMedia", features=features)
        self._resize(width, 900)
        self.events.clear()
        self.call("Page.navigate", url=page.as_uri())
        self.wait_for("Page.loadEventFired")

    def _resize(self, width: int, height: int) -> None:
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        self.call("Emulation.setDeviceMetricsOverride", **size)

    def screenshot(self, path: Path, width: int, height: int) -> None:
        """Write a picture of the whole page."""
        self._resize(width, min(height, 16_000))
        data = self.call("Page.captureScreenshot", format="png")["data"]
        path.write_bytes(base64.b64decode(data))

    def complaints(self) -> Iterator[str]:
        """What the console has said since the page was opened."""
        for event in self.events:
            kind, values = event.get("method"), event.get("params", {})
            if kind == "Runtime.exceptionThrown":
                yield str(values["exceptionDetails"].get("exception", values))[:300]
            if kind == "Log.entryAdded" and values["entry"]["level"] == "error":
                yield f"{values['entry']['text']} {values['entry'].get('url', '')}"
            if kind == "Runtime.consoleAPICalled" and values["type"] == "error":
                yield str(values["args"])[:300]


@contextmanager
def chromium() -> Iterator[Browser]:
    """Start Chromium, and end it."""
    names = ("chromium", "chromium-browser", "google-chrome")
    program = next(filter(None, map(shutil.which, names)), None)
    if program is None:
        sys.exit("there is no Chromium here: apt-get install chromium")
    (theirs, to), (back, ours) = os.pipe(), os.pipe()

    def arrange() -> None:  # the browser reads from 3 and writes to 4
        spare = os.dup(ours), os.dup(theirs)
        os.dup2(spare[1], 3)
        os.dup2(spare[0], 4)

    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        process = subprocess.Popen(
            [program, *FLAGS, f"--user-data-dir={folder}"],
            stderr=subprocess.DEVNULL,
            close_fds=False,
            preexec_fn=arrange,
        )
        os.close(theirs)
        os.close(ours)
        try:
            yield Browser(to, back)
        finally:
            process.terminate()
            process.wait()


def broken(links: list[str], ids: dict[Path, set[str]]) -> Iterator[str]:
    """Links to files, or places in pages, that are not there; those to elsewhere are left out."""
    for link in sorted(set(links)):
        parts = urlsplit(link)
        if parts.scheme == "file":
            path = Path(unquote(parts.path))
            place = unquote(parts.fragment)
            missing = not path.is_file()
            if missing or (path in ids and place and place not in ids[path]):
                yield f"leads nowhere: {link.replace(SITE.as_uri(), '')}"


def main() -> int:
    pages = sorted(page for page in SITE.rglob("*.html") if page.name != "404.html")
    if not pages:
        sys.exit(f"{SITE} has no pages: make docs")
    SCREENS.mkdir(parents=True, exist_ok=True)
    ids: dict[Path, set[str]] = {}
    links: dict[Path, list[str]] = {}
    wrong: dict[str, list[str]] = {}
    with chromium() as browser:
        for page, width, scheme in itertools.product(pages, WIDTHS, SCHEMES):
            name = "-".join(page.relative_to(SITE).with_suffix("").parts)
            browser.open(page, width, scheme)
            look = browser.evaluate(LOOK)
            ids[page], links[page] = set(look["ids"]), look["links"]
            found = [f"picture is missing: {each}" for each in look["pictures"]]
            if look["width"] > width:
                found.append(f"is {look['width']} pixels wide")
            browser.screenshot(SCREENS / f"{name}-{width}-{scheme}.png", width, look["height"])
            wrong[f"{name} at {width}, {scheme}"] = [*found, *browser.complaints()]
        browser.open(SITE / "index.html", WIDTHS[0], SCHEMES[0])
        if not browser.evaluate(SEARCH):
            wrong["search"] = ["finds nothing", *browser.complaints()]
    for page in pages:
        wrong[str(page.relative_to(SITE))] = list(broken(links[page], ids))
    for name, found in wrong.items():
        for each in dict.fromkeys(found):
            print(f"{name}: {each}")
    print(f"{len(pages)} pages, {len(pages) * len(WIDTHS) * len(SCHEMES)} screenshots in {SCREENS}")
    return int(any(wrong.values()))


if __name__ == "__main__":
    sys.exit(main())
