"""A page in a real browser, headless Chromium driven by Playwright, and what goes wrong in it."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

SWITCHES = ("--no-sandbox", "--disable-gpu", "--disable-background-networking")
# The contrast of every visible text with what it stands on, by the formula of WCAG 2.
CONTRAST = """
() => {
  const channels = (text) => text.match(/[\\d.]+/g).map(Number);
  const luminance = ([r, g, b]) => {
    const [x, y, z] = [r, g, b].map((v) => {
      const c = v / 255;
      return c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * x + 0.7152 * y + 0.0722 * z;
  };
  const ground = (element) => {
    for (let each = element; each; each = each.parentElement) {
      const found = channels(getComputedStyle(each).backgroundColor);
      if (found.length === 3 || found[3] === 1) return found;
    }
    return channels(getComputedStyle(document.documentElement).backgroundColor).slice(0, 3);
  };
  const poor = new Set();
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  for (let node = walker.nextNode(); node; node = walker.nextNode()) {
    const element = node.parentElement;
    if (!node.textContent.trim() || !element.checkVisibility()) continue;
    if (element.closest("svg, script, .drawing")) continue;
    const [a, b] = [channels(getComputedStyle(element).color), ground(element)].map(luminance);
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    const text = node.textContent.trim().slice(0, 30);
    if (ratio < 4.5) poor.add(`${ratio.toFixed(2)} ${element.className} ${text}`);
  }
  return [...poor];
}
"""


def chromium() -> str | None:
    """Where a Chromium is: by PARITY_CHROMIUM, or under one of its names on the path."""
    names = ("chromium", "chromium-browser", "google-chrome", "chrome")
    return os.environ.get("PARITY_CHROMIUM") or next(filter(None, map(shutil.which, names)), None)


class Watched:
    """A page and whatever it should not do: errors, and requests beyond itself."""

    def __init__(self, opened: Page) -> None:
        self.page, self.wrong = opened, list[str]()
        opened.on("console", self._said)
        opened.on("pageerror", lambda error: self.wrong.append(f"error: {error}"))
        opened.on("dialog", lambda dialog: self.wrong.append(f"dialog: {dialog.message}"))
        opened.on("request", self._asked)

    def _said(self, message: Any) -> None:
        if message.type in ("error", "warning"):
            self.wrong.append(f"{message.type}: {message.text}")

    def _asked(self, request: Any) -> None:
        if not request.url.startswith(("file:", "data:", "blob:")):
            self.wrong.append(f"request: {request.url}")


def watched(browser: Browser, address: str, viewport: Any, **settings: Any) -> Iterator[Page]:
    context = browser.new_context(viewport=viewport, **settings)
    seen = Watched(context.new_page())
    seen.page.goto(address)
    yield seen.page
    context.close()
    assert not seen.wrong, "; ".join(seen.wrong)
