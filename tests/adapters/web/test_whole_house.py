"""``maodou up`` as it is run, with browsers in front of it: documents, a gate, answers – and a death."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import socket
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.blocking import ROOT

pytest.importorskip("playwright", reason="no Chromium")
from playwright.async_api import expect

from tests.adapters.web.people import People

pytestmark = [pytest.mark.browser, pytest.mark.timeout(240)]

GUIDE = """# 豆机 beanbox

## 支持的系统

豆机可以装在 Debian 12、Ubuntu 24.04 和 macOS 14 上，暂时不支持 Windows。

## 更新

用 `beanbox-update --channel stable` 更新到最新的稳定版，更新前会自动备份配置文件。

## Warranty

The warranty of the beanbox lasts thirty months from the day of purchase.
"""


@pytest.fixture
def home(tmp_path: Path) -> Path:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    (tmp_path / "config.yaml").write_text(f"sample: false\nweb:\n  port: {port}\n  heartbeat_s: 2\n")
    (tmp_path / "guide").mkdir()
    (tmp_path / "guide" / "beanbox.md").write_text(GUIDE)
    return tmp_path


async def start(home: Path, *arguments: str) -> Process:
    environment = {"PATH": os.environ["PATH"], "HOME": str(home), "PYTHONPATH": str(ROOT)}
    command = (sys.executable, "-m", "maodou", *arguments)
    with (home / "log").open("ab") as log:
        return await asyncio.create_subprocess_exec(*command, cwd=home, env=environment, stdout=PIPE, stderr=log)


@asynccontextmanager
async def running(home: Path) -> AsyncIterator[tuple[Process, str, str]]:
    """The process, the room's address and the operator's link, as they are printed."""
    process = await start(home, "up")
    assert process.stdout is not None
    printed = b""
    async with asyncio.timeout(60):
        while not re.search(rb"token=\S+", printed):
            line = await process.stdout.readline()
            assert line, (home / "log").read_text()
            printed += line
    try:
        room, link = re.findall(r"http://\S+", printed.decode())
        yield process, room, link
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


async def test_a_group_a_question_and_a_death(home: Path) -> None:
    added = await start(home, "kb", "add", "guide")
    assert await added.wait() == 0
    await added.communicate()
    async with (
        running(home) as (process, url, link),
        People.at(url) as people,
        people.person() as lin,
        people.person(language="en-GB") as anna,
    ):
        await lin.joins("小林")
        await anna.joins("Anna")
        await lin.sees("大家好，我是毛豆")

        await lin.says("今天中午吃什么？")
        await anna.says("noodles again?")
        await lin.says("@毛豆 豆机怎么更新到最新版？")
        await anna.sees("beanbox-update --channel stable")
        answer = anna.message("beanbox-update")
        await expect(answer.locator(".quote")).to_contain_text("豆机怎么更新到最新版")
        await answer.locator("details.sources summary").click()
        await expect(answer.locator("details.sources li").first).to_contain_text("beanbox.md")
        await anna.says("@maodou how long does the warranty last?")
        await lin.sees("thirty months")
        # A greeting and two answers: chit-chat got none.
        await expect(lin.page.locator(".msg.ours")).to_have_count(3)

        await anna.says("/wrong the beta channel was meant")
        await lin.sees("number 1")
        await anna.says("/kb add The beanbox hums when it is warm. That is the fan, and it is quite all right.")
        await lin.sees("The beanbox hums")
        await lin.page.goto(link)
        await expect(lin.page.locator("#kb-documents")).to_contain_text("beanbox.md")
        await lin.page.get_by_role("tab", name="待处理").click()
        await expect(lin.page.locator("#review-cases")).to_contain_text("the beta channel was meant")
        await lin.page.fill("#review-case input", "1")
        await lin.page.fill("#review-source textarea, #review-source input", "beanbox.md")
        await lin.page.click("#review-close")
        await expect(lin.page.locator("#review-told")).to_contain_text("1: answer")
        await expect(lin.page.locator("#review-uploads")).to_contain_text("The beanbox hums")
        await lin.page.fill("#review-upload input", "1")
        await lin.page.click("#review-approve")
        await expect(lin.page.locator("#review-told")).to_contain_text("taken in")
        await lin.page.goto(f"{url}/room/")
        await lin.does("why", "beanbox-update")
        await expect(lin.page.locator("dialog.why .text")).not_to_be_empty()
        await lin.page.click("dialog.why .act")

        await anna.box.fill("@maodou which systems does the beanbox run on?")
        process.send_signal(signal.SIGKILL)
        await process.wait()
        await expect(anna.page.locator(".lost")).to_be_visible()
        async with running(home):
            await expect(anna.page.locator(".lost")).to_be_hidden(timeout=30_000)
            await expect(anna.box).to_have_value("@maodou which systems does the beanbox run on?")
            await anna.sees("thirty months")
            await anna.box.press("Enter")
            await expect(anna.page.locator(".msg.ours")).to_have_count(6)
            await expect(lin.page.locator(".msg.ours")).to_have_count(6, timeout=30_000)
