"""Members with browsers: a real headless Chromium, and what people do with it."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

from playwright.async_api import Browser, BrowserContext, Page, async_playwright, expect

FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--use-fake-device-for-media-stream",
    "--use-fake-ui-for-media-stream",
)
DESK, PHONE = (1280, 800), (390, 844)
expect.set_options(timeout=15_000)
PREVIEW_DROPPED = "signal is aborted without reason"
"""What Gradio's preview of a recording says when it goes before it has drawn: a voice message is sent at once."""


@dataclass
class Person:
    """One browser of its own. ``troubles``: what the browser's console complained of, and what left the machine."""

    context: BrowserContext
    page: Page
    url: str
    troubles: list[str] = field(default_factory=list)

    async def joins(self, name: str) -> Person:
        await self.page.goto(self.url)
        await self.page.fill("input[name=name]", name)
        await self.page.click("form button")
        await expect(self.page.locator(".room h1")).not_to_be_empty()
        await expect(self.box).to_be_visible()
        return self

    @property
    def box(self) -> Any:
        return self.page.locator("#maodou-box textarea")

    async def says(self, text: str) -> None:
        await self.box.fill(text)
        await self.box.press("Enter")
        await expect(self.box).to_have_value("")

    def message(self, text: str) -> Any:
        return self.page.locator(".msg", has_text=text).last

    async def sees(self, text: str) -> None:
        await expect(self.page.locator(".lines .msg", has_text=text).first).to_be_visible()

    async def does(self, act: str, text: str) -> None:
        """Press a button of the message with this text."""
        held = self.message(text).locator(".held")
        await held.hover()
        await held.locator(f"[data-act={act}]").first.click()

    async def overflow_px(self) -> int:
        """How far the page is wider than the screen."""
        return int(await self.page.evaluate("document.scrollingElement.scrollWidth - window.innerWidth"))

    async def beyond_the_edge(self) -> list[str]:
        """What is drawn beyond the right edge, other than inside a part that scrolls by itself."""
        found: list[str] = await self.page.evaluate(
            """() => [...document.querySelectorAll('body *')].filter((e) => {
                 if (e.closest('pre, .table, .sr-only') && !e.matches('.table')) return false;
                 const box = e.getBoundingClientRect();
                 return box.width > 0 && box.right > window.innerWidth + 0.5;
               }).map((e) => `${e.tagName}.${e.className}`)"""
        )
        return found


@dataclass
class People:
    browser: Browser
    url: str

    @classmethod
    @contextlib.asynccontextmanager
    async def at(cls, url: str, *flags: str) -> AsyncIterator[People]:
        path = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
        async with async_playwright() as playwright:
            browser = await playwright.chromium.launch(executable_path=path, args=[*FLAGS, *flags])
            try:
                yield cls(browser, url)
            finally:
                await browser.close()

    @contextlib.asynccontextmanager
    async def person(
        self, *, size: tuple[int, int] = DESK, language: str = "zh-CN", dark: bool = False
    ) -> AsyncIterator[Person]:
        context = await self.browser.new_context(
            viewport={"width": size[0], "height": size[1]},
            locale=language,
            color_scheme="dark" if dark else "light",
            permissions=["microphone"],
        )
        page = await context.new_page()
        person = Person(context, page, self.url)
        page.on("console", lambda said: person.troubles.append(said.text) if said.type == "error" else None)
        page.on("pageerror", lambda error: person.troubles.append(str(error)))
        page.on("request", lambda request: person.troubles.append(request.url) if self._leaves(request.url) else None)
        try:
            yield person
        finally:
            await context.close()

    def _leaves(self, url: str) -> bool:
        return not url.startswith((self.url, "data:", "blob:"))
