"""Looks at the built site in a browser: `python -m tools.site.check [--shots DIR]`.

Every page is opened at 1440 pixels and at 390, there in dark, and some pages in all four ways.
The console may show no warning and no error, nothing may be wider than the window, and each link
within the site must lead somewhere.  The steps of the first page are clicked through.  It needs
Chromium; where there is none, links are checked, the rest is left out, and that is said.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import contextlib
import functools
import html.parser
import http.server
import itertools
import json
import shutil
import subprocess
import sys
import tempfile
import threading
import urllib.parse
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

SITE = Path(__file__).resolve().parents[2] / "build" / "site"
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome")
ALL = ((390, "light"), (390, "dark"), (1440, "light"), (1440, "dark"))
TWO = ((390, "dark"), (1440, "light"))
SCHEMES = {"light": "default", "dark": "slate"}
SHOWN = ("", "guide/", "reference/pagebuffer/", "coming-from/bytearray/", "benchmarks/")
"""The pages of which pictures are taken."""

# ---- links, without a browser ----


class Page(html.parser.HTMLParser):
    """The links of a page, and the anchors in it."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.anchors: set[str] = set()
        self.feed(text)

    def handle_starttag(self, _tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        if link := found.get("href") or found.get("src"):
            self.links.append(link)
        if anchor := found.get("id"):
            self.anchors.add(anchor)


def read_pages() -> dict[Path, Page]:
    return {path: Page(path.read_text("utf-8")) for path in sorted(SITE.rglob("*.html"))}


def broken_links(pages: dict[Path, Page]) -> Iterator[str]:
    for path, page in pages.items():
        if path.name == "404.html":  # its links are from the root of wherever it is put
            continue
        for link in page.links:
            where = urllib.parse.urlsplit(link)
            if where.scheme or where.netloc:
                continue
            target = path if not where.path else path.parent / urllib.parse.unquote(where.path)
            target = target / "index.html" if target.is_dir() else target
            target = target.resolve()
            anchor = urllib.parse.unquote(where.fragment)
            if not target.exists():
                yield f"{path.relative_to(SITE)}: {link} leads nowhere"
            elif anchor and target in pages and anchor not in pages[target].anchors:
                yield f"{path.relative_to(SITE)}: {link} has no such place"


# ---- a browser ----


class Tab:
    """One page of a browser, by the DevTools protocol."""

    def __init__(self, socket: Any) -> None:
        self.socket = socket
        self.numbers = itertools.count(1)
        self.said: list[str] = []

    async def call(self, method: str, **params: Any) -> Any:
        number = next(self.numbers)
        await self.socket.send(json.dumps({"id": number, "method": method, "params": params}))
        while True:
            message = json.loads(await asyncio.wait_for(self.socket.recv(), 60))
            self.note(message)
            if message.get("id") == number:
                return message.get("result", {})

    async def until(self, event: str) -> None:
        while True:
            message = json.loads(await asyncio.wait_for(self.socket.recv(), 60))
            self.note(message)
            if message.get("method") == event:
                return

    def note(self, message: dict[str, Any]) -> None:
        """Keep what the console shows as a warning or an error."""
        params = message.get("params", {})
        match message.get("method"):
            case "Runtime.exceptionThrown":
                self.said.append(str(params["exceptionDetails"].get("text")))
            case "Runtime.consoleAPICalled" if params["type"] in {"warning", "error", "assert"}:
                self.said.append(str([one.get("value") for one in params["args"]]))
            case "Log.entryAdded" if params["entry"]["level"] in {"warning", "error"}:
                self.said.append(params["entry"]["text"])

    async def value(self, code: str) -> Any:
        result = await self.call("Runtime.evaluate", expression=code, returnByValue=True)
        return result["result"].get("value")

    async def open(self, url: str, width: int, shade: str) -> None:
        size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 600}
        await self.call("Emulation.setDeviceMetricsOverride", **size)
        feature = {"name": "prefers-color-scheme", "value": shade}
        await self.call("Emulation.setEmulatedMedia", features=[feature])
        await self.call("Page.navigate", url=url)
        await self.until("Page.loadEventFired")

    async def shoot(self, path: Path) -> None:
        picture = await self.call("Page.captureScreenshot", format="png")
        path.write_bytes(base64.b64decode(picture["data"]))


async def look(tab: Tab, root: str, shots: Path | None) -> list[str]:
    """Open every page in every way; return what is wrong."""
    for domain in ("Page", "Runtime", "Log"):
        await tab.call(f"{domain}.enable")
    forget = "Storage.prototype.setItem = () => {}"  # the theme keeps the first shade it saw
    await tab.call("Page.addScriptToEvaluateOnNewDocument", source=forget)
    wrong = []
    paths = [str(path.parent.relative_to(SITE)) for path in sorted(SITE.rglob("index.html"))]
    names = ["" if path == "." else f"{path}/" for path in paths]
    for name in names:
        for width, shade in ALL if name in SHOWN else TWO:
            await tab.open(root + name, width, shade)
            where = f"{name or 'first page'} at {width}, {shade}"
            if not await has_shade(tab, shade):
                wrong.append(f"{where}: not in this shade")
            wide = await tab.value("document.documentElement.scrollWidth - window.innerWidth")
            if wide > 0:
                wrong.append(f"{where}: {wide} pixels too wide")
            if not name:
                wrong += [f"{where}: {what}" for what in await click_through(tab, shots, where)]
            if shots and name in SHOWN:
                await tab.shoot(shots / f"{name.replace('/', '-') or 'first-'}{width}-{shade}.png")
            wrong += [f"{where}: {text}" for text in tab.said]
            tab.said.clear()
    print(f"{len(names)} pages at 390 and 1440 pixels, light and dark")
    return wrong


async def has_shade(tab: Tab, shade: str) -> bool:
    """Wait for the theme, which chooses its colours some time after the page has loaded."""
    for _ in range(50):
        if await tab.value("document.body.dataset.mdColorScheme") == SCHEMES[shade]:
            return True
        await asyncio.sleep(0.1)
    return False


async def click_through(tab: Tab, shots: Path | None, where: str) -> list[str]:
    """Go through the steps of the first page; each must change the picture."""
    picture = "document.querySelector('.steps-picture').innerHTML"
    button = "document.querySelector('.steps-buttons .md-button--primary')"
    seen = [await tab.value(picture)]
    while not await tab.value(f"{button}.disabled"):
        await tab.value(f"{button}.click()")
        seen.append(await tab.value(picture))
        if shots and len(seen) == 7:
            await tab.value("document.getElementById('steps').scrollIntoView()")
            await tab.shoot(shots / f"steps-{where.split(' at ')[1].replace(', ', '-')}.png")
    await tab.value("window.scrollTo(0, 0)")
    wrong = [] if len(seen) > 8 else [f"only {len(seen)} steps"]
    return wrong if all(seen) else [*wrong, "a step draws nothing"]


@contextlib.contextmanager
def served() -> Iterator[str]:
    """The site over HTTP, as a browser wants it."""
    handler = functools.partial(Quiet, directory=str(SITE))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


@contextlib.contextmanager
def browser(program: str) -> Iterator[str]:
    """A browser without a window; gives the address of its first tab."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        options = ["--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars"]
        options += ["--remote-debugging-port=0", f"--user-data-dir={profile}", "about:blank"]
        process = subprocess.Popen([program, *options], stderr=subprocess.PIPE, text=True)
        try:
            assert process.stderr
            line = next(line for line in process.stderr if "DevTools listening" in line)
            port = urllib.parse.urlsplit(line.split()[-1]).port
            threading.Thread(target=process.stderr.read, daemon=True).start()
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/json/list") as answer:
                tabs = [one for one in json.load(answer) if one["type"] == "page"]
            yield tabs[0]["webSocketDebuggerUrl"]
        finally:
            process.terminate()
            process.wait(30)


async def look_with(address: str, root: str, shots: Path | None) -> list[str]:
    from websockets.asyncio.client import connect

    async with connect(address, max_size=None) as socket:
        return await look(Tab(socket), root, shots)


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tools.site.check", description=__doc__)
    parser.add_argument("--shots", type=Path, help="a folder for pictures of some pages")
    options = parser.parse_args(arguments)
    pages = read_pages()
    wrong = list(broken_links(pages))
    print(f"{sum(len(page.links) for page in pages.values())} links on {len(pages)} pages")
    program = next(filter(None, map(shutil.which, BROWSERS)), None)
    if program is None:
        print("no Chromium here: pages were not opened")
    else:
        if options.shots:
            options.shots.mkdir(parents=True, exist_ok=True)
        with served() as root, browser(program) as address:
            wrong += asyncio.run(look_with(address, root, options.shots))
    for line in wrong:
        print(line, file=sys.stderr)
    return bool(wrong)


if __name__ == "__main__":
    sys.exit(main())
