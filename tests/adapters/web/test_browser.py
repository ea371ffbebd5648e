"""People in real browsers: a headless Chromium each, in one room."""

from __future__ import annotations

import asyncio
import re
import struct
import wave
from pathlib import Path
from typing import Any

import pytest

from adapters.web.texts import box_labels, page_texts
from bot.event import Addressed, AttachmentKind, Role
from tests.adapters.web.rooms import Served, delivery

pytest.importorskip("playwright", reason="no Chromium")
from playwright.async_api import expect

from tests.adapters.web.people import PHONE, PREVIEW_DROPPED, People

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="module")]


async def eventually(found: Any, at_most_s: float = 15) -> Any:
    """What ``found`` returns once it returns something."""
    async with asyncio.timeout(at_most_s):
        while not (result := found()):  # noqa: ASYNC110
            await asyncio.sleep(0.05)
    return result


async def test_two_members_see_each_other_and_an_answer_live(served: Served, people: People) -> None:
    async with people.person() as lin, people.person(language="en-US") as anna:
        await lin.joins("小林")
        await anna.joins("Anna")
        await expect(lin.page.locator(".present")).to_have_text("2 人在线")
        await expect(anna.page.locator(".present")).to_have_text("2 here")
        for each, language in ((lin, "zh"), (anna, "en")):
            words = page_texts(language)["placeholder"]
            await expect(each.page.get_by_role("textbox", name=words)).to_have_attribute("placeholder", words)

        await lin.says("大家好")
        await anna.sees("大家好")
        await anna.says("hello, **everybody**")
        await lin.sees("hello, everybody")
        await expect(lin.message("hello")).to_have_class("msg theirs")
        await expect(anna.message("hello")).to_have_class("msg mine")
        assert not served.inbox.events or len(served.platform.room.transcript.shown) == 2, "chit-chat gets no answer"

        await lin.says("@毛豆 支持哪些推理后端？")
        await expect(anna.page.locator(".thinking")).to_be_visible()
        answer = anna.message("ONNX Runtime")
        await expect(answer.locator("table")).to_be_visible()
        await expect(anna.page.locator(".thinking")).to_have_count(0)
        await expect(answer.locator(".quote")).to_contain_text("支持哪些推理后端")
        sources = answer.locator("details.sources")
        await expect(sources.locator("summary")).to_have_text("Sources 1")
        await expect(sources.locator("li")).not_to_be_visible()
        await answer.locator("sup.cite").click()
        await expect(sources.locator("li")).to_have_text("docs/backends.md › 推理后端")
        await answer.locator(".copy").click()
        await expect(answer.locator(".copy")).to_have_text("Copied")
        assert (lin.troubles, anna.troubles) == ([], [])


async def test_a_second_browser_cannot_take_a_name_nor_open_the_console(served: Served, people: People) -> None:
    async with people.person() as lin, people.person() as other:
        await lin.joins("小林")
        await other.page.goto(served.url)
        await other.page.fill("input[name=name]", "小林")
        await other.page.click("form button")
        await expect(other.page.locator(".error")).to_have_text("「小林」已经有人用了，换一个名字吧。")
        await other.page.goto(f"{served.url}/console/")
        await expect(other.page.locator(".said")).to_contain_text("控制台只对运营者开放")
        await other.page.goto(f"{served.url}/room/")
        assert other.page.url.endswith("/join")


XSS = (
    "<script>document.title='pwned'</script>",
    "<img src=x onerror=\"document.title='pwned'\">",
    "[click](javascript:document.title='pwned')",
    "![x](http://127.0.0.1:9/pixel.png)",
    "`<b>` <b onclick=x>bold</b> &lt;i&gt;",
    "<details open ontoggle=\"document.title='pwned'\">",
)


async def test_what_members_and_documents_write_is_text(served: Served, people: People) -> None:
    async with people.person() as lin, people.person() as anna:
        await lin.joins("小林")
        await anna.joins("Anna")
        for text in XSS:
            await lin.says(text)
        await served.platform.send(delivery(served.room, "\n\n".join(XSS)))
        await expect(anna.page.locator(".msg")).to_have_count(len(XSS) + 1)
        texts = await anna.page.locator(".msg.theirs .text").all_inner_texts()
        assert texts[0].strip() == XSS[0]
        assert texts[1].strip() == XSS[1]
        for forbidden in ("script", "img", "b", "i", "details", "a[href^='javascript']", "[onclick]", "[onerror]"):
            await expect(anna.page.locator(f".msg .text {forbidden}")).to_have_count(0)
        for link in await anna.page.locator(".msg .text a").all():
            assert await link.get_attribute("rel") == "noopener noreferrer nofollow"
        assert "pwned" not in await anna.page.title()
        assert anna.troubles == []


async def test_a_reply_is_a_gesture(served: Served, people: People) -> None:
    async with people.person() as lin, people.person() as anna:
        await lin.joins("小林")
        await anna.joins("Anna")
        await lin.says("谁会装？")
        await anna.sees("谁会装")
        await anna.does("reply", "谁会装")
        await expect(anna.page.locator(".chip")).to_contain_text("回复 小林")
        await anna.page.locator(".chip .cancel").click()
        await expect(anna.page.locator(".chip")).to_be_hidden()
        await anna.does("reply", "谁会装")
        await anna.says("我会")
        await expect(anna.page.locator(".chip")).to_be_hidden()
        await expect(lin.message("我会").locator(".quote")).to_have_text("小林谁会装？")
        said = served.inbox.of("said")
        assert said[1].message.reply_to == said[0].message.id
        ours = await served.platform.send(delivery(served.room, "我也会"))
        await anna.sees("我也会")
        await anna.does("reply", "我也会")
        await anna.says("那你说")
        assert (await eventually(lambda: served.inbox.of("said")[2:]))[0].message.reply_to == ours
        assert served.inbox.of("said")[2].message.addressed is Addressed.REPLY


async def test_thumbs_are_counted_and_can_be_taken_back(served: Served, people: People) -> None:
    async with people.person() as lin, people.person() as anna:
        await lin.joins("小林")
        await anna.joins("Anna")
        await served.platform.send(delivery(served.room, "一个答案"))
        await lin.sees("一个答案")
        up = lin.message("一个答案").locator(".thumbs .thumb").first
        await up.click()
        await expect(anna.message("一个答案").locator(".thumb .n")).to_have_text("1")
        await expect(up).to_have_attribute("aria-pressed", "true")
        assert [each.emoji for each in served.inbox.of("reacted")] == [("👍",)]
        await up.click()
        await expect(anna.message("一个答案").locator(".thumb .n")).to_have_count(0)


async def test_ones_own_message_can_be_changed_and_taken_back(served: Served, people: People) -> None:
    async with people.person() as lin, people.person() as anna:
        await lin.joins("小林")
        await anna.joins("Anna")
        await lin.says("打错子了")
        await anna.sees("打错子了")
        await anna.message("打错子了").locator(".held").hover()
        await expect(anna.message("打错子了").locator("[data-act=recall]")).to_have_count(0)
        await lin.does("edit", "打错子了")
        await expect(lin.box).to_have_value("打错子了")
        await lin.says("打错字了")
        await anna.sees("打错字了")
        await expect(anna.message("打错字了").locator(".edited")).to_be_visible()
        lin.page.on("dialog", lambda dialog: dialog.accept())
        await lin.does("recall", "打错字了")
        await expect(anna.page.locator(".msg.recalled")).to_have_text("小林 撤回了一条消息")
        assert len(served.inbox.of("recalled")) == 1


async def test_a_file_is_attached_and_the_text_stays_when_it_cannot_be_kept(
    served: Served, people: People, tmp_path: Path
) -> None:
    log = tmp_path / "错误 log.txt"
    log.write_text("boom")
    async with people.person() as lin, people.person() as anna:
        await lin.joins("小林")
        await anna.joins("Anna")
        await lin.page.set_input_files("#maodou-box input[type=file]", log)
        await expect(lin.page.locator("#maodou-box .thumbnail-item")).to_be_visible()
        served.inbox.broken = True
        await lin.box.fill("看这个日志")
        await lin.box.press("Enter")
        await expect(lin.page.locator(".notice")).to_contain_text("还没有发出去")
        await expect(lin.box).to_have_value("看这个日志")
        await expect(anna.page.locator(".msg")).to_have_count(0)
        served.inbox.broken = False
        await lin.box.press("Enter")
        await expect(lin.box).to_have_value("")
        await expect(lin.page.locator("#maodou-box .thumbnail-item")).to_have_count(0)
        link = anna.message("看这个日志").locator("a.file")
        async with anna.page.expect_download() as downloading:
            await link.click()
        assert await asyncio.to_thread(Path(await (await downloading.value).path()).read_text) == "boom"
        [said] = served.inbox.of("said")
        assert said.message.attachments[0].kind is AttachmentKind.FILE


ONE_MICROPHONE = """
const all = navigator.mediaDevices.enumerateDevices.bind(navigator.mediaDevices);
const isShown = (device) => device.kind !== "audioinput" || device.deviceId === "default";
navigator.mediaDevices.enumerateDevices = async () => (await all()).filter(isShown);
"""
NO_MEDIA = """
Object.defineProperty(Navigator.prototype, "mediaDevices", { get: () => undefined });
"""  # as in a page from another machine without https
NO_MICROPHONE = """
navigator.mediaDevices.getUserMedia = async () => { throw new DOMException("not allowed", "NotAllowedError"); };
"""


@pytest.mark.parametrize("script", [ONE_MICROPHONE, ""], ids=["one", "several"])
async def test_a_voice_message_takes_two_presses(served: Served, people: People, tmp_path: Path, script: str) -> None:
    async with people.person() as lin, people.person() as anna:
        await lin.page.add_init_script(script)
        await lin.joins("小林")
        await anna.joins("Anna")
        await lin.page.get_by_role("button", name="录一条语音").click()
        await expect(lin.page.locator(".voice")).to_contain_text("正在录音")
        await expect(lin.page.locator(".voice")).to_contain_text("点 ■ 就发出去")
        await asyncio.sleep(1.2)
        await lin.page.get_by_role("button", name="说完了").dblclick()  # as many people press
        await expect(anna.page.locator(".msg audio")).to_be_visible()
        await expect(lin.page.locator(".voice")).to_be_hidden()
        await expect(lin.page.locator("#maodou-box .thumbnail-item")).to_have_count(0)
        [said] = served.inbox.of("said")
        [voice] = said.message.attachments
        assert voice.kind is AttachmentKind.VOICE
        kept = await served.platform.fetch(voice, tmp_path, 10_000_000)
        channels, rate, frames = await asyncio.to_thread(_wave, kept)
        assert channels == 1
        assert 0.3 < frames / rate < 10
        assert set(lin.troubles) <= {PREVIEW_DROPPED}


async def test_a_recording_can_be_dropped_and_another_one_sent(served: Served, people: People) -> None:
    async with people.person(language="en-US") as anna:
        await anna.joins("Anna")
        await anna.page.get_by_role("button", name="Record a voice message").click()
        await asyncio.sleep(0.8)
        await anna.page.locator(".voice").get_by_role("button", name="Discard it").click()
        await expect(anna.page.locator("#maodou-box .recording-overlay")).to_have_count(0)
        await expect(anna.page.locator("#maodou-box .thumbnail-item")).to_have_count(0)
        await anna.page.get_by_role("button", name="Record a voice message").click()
        await asyncio.sleep(0.8)
        await anna.page.get_by_role("button", name="Stop the recording").click()
        await expect(anna.page.locator(".msg audio")).to_have_count(1)
        [said] = served.inbox.of("said")
        await served.platform.send(delivery(served.room, "I heard you.", reply_to=said.message.id))
        await expect(anna.message("I heard you.").locator(".quote")).to_have_text("AnnaVoice message")


async def test_a_recording_beside_a_text_waits_for_both_to_be_sent(served: Served, people: People) -> None:
    async with people.person() as lin:
        await lin.joins("小林")
        await lin.box.fill("听听这个")
        await lin.page.get_by_role("button", name="录一条语音").click()
        await expect(lin.page.locator(".voice")).to_contain_text("就加到这条消息里")
        await asyncio.sleep(0.8)
        await lin.page.get_by_role("button", name="说完了").click()
        await expect(lin.page.locator("#maodou-box .thumbnail-item")).to_be_visible()
        assert served.inbox.of("said") == []
        await lin.page.get_by_role("button", name="发送").click()
        await expect(lin.message("听听这个").locator("audio")).to_be_visible()


@pytest.mark.parametrize(
    "script", [ONE_MICROPHONE + NO_MICROPHONE, NO_MICROPHONE, NO_MEDIA], ids=["one", "several", "insecure"]
)
async def test_a_microphone_that_is_not_allowed_is_a_sentence(served: Served, people: People, script: str) -> None:
    async with people.person() as lin:
        await lin.page.add_init_script(script)
        await lin.joins("小林")
        await lin.page.get_by_role("button", name="录一条语音").click()
        await expect(lin.page.locator(".notice")).to_contain_text("用不了麦克风")
        await expect(lin.page.locator(".voice")).to_be_hidden()
        await expect(lin.page.locator("#maodou-box .recording-overlay")).to_have_count(0)
        await lin.says("那就打字")


@pytest.mark.parametrize("language", ["zh", "en"])
async def test_the_boxes_buttons_speak_the_pages_language(
    served: Served, people: People, tmp_path: Path, language: str
) -> None:
    (tmp_path / "a.txt").write_text("a")
    words = set(box_labels(language).values())
    async with people.person(language=language) as lin:
        await lin.joins("小林")
        await lin.page.set_input_files("#maodou-box input[type=file]", tmp_path / "a.txt")
        await expect(lin.page.locator("#maodou-box .thumbnail-item")).to_be_visible()
        labelled = lin.page.locator("#maodou-box [aria-label]")
        for each in await labelled.all():
            assert await each.get_attribute("aria-label") in words
        assert await labelled.count() > 5


def _wave(path: Path) -> tuple[int, int, int]:
    with wave.open(str(path)) as sound:
        assert struct.unpack("<h", sound.readframes(1)[:2])
        return sound.getnchannels(), sound.getframerate(), sound.getnframes()


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
async def test_on_a_phone_nothing_runs_out_at_the_right(served: Served, people: People, dark: bool) -> None:
    async with people.person(size=PHONE, dark=dark) as lin, people.person() as anna:
        await lin.joins("小林")
        await anna.joins("Anna")
        await anna.says("https://example.org/" + "very-long-path/" * 20)
        await anna.says("x" * 300)
        await lin.says("`" + "y" * 200 + "`")
        await lin.says("@毛豆 支持哪些后端？")
        await expect(lin.message("ONNX Runtime").locator("table")).to_be_visible()
        await lin.page.click("details.sources summary")
        await lin.box.fill("一行\n两行\n三行")
        assert await lin.overflow_px() == 0
        assert await lin.beyond_the_edge() == []
        assert lin.troubles == []


async def test_a_draft_survives_a_reload(served: Served, people: People) -> None:
    async with people.person() as lin:
        await lin.joins("小林")
        await lin.box.fill("还没写完")
        await lin.page.reload()
        await expect(lin.box).to_have_value("还没写完")


async def test_an_enter_that_ends_a_composition_does_not_send(served: Served, people: People) -> None:
    """Chinese is typed by composing; Enter takes the letters as they are, and must not send half a word."""
    async with people.person() as lin:
        await lin.joins("小林")
        await lin.box.focus()
        browser = await lin.context.new_cdp_session(lin.page)
        await browser.send("Input.imeSetComposition", {"text": "nihao", "selectionStart": 5, "selectionEnd": 5})
        key = {"key": "Process", "code": "Enter", "windowsVirtualKeyCode": 229}
        await browser.send("Input.dispatchKeyEvent", {"type": "rawKeyDown", **key})
        await browser.send("Input.insertText", {"text": "你好"})
        await expect(lin.box).to_have_value("你好")
        assert not served.inbox.of("said")
        await lin.box.press("Enter")
        await lin.sees("你好")


async def test_earlier_messages_can_be_had(served: Served, people: People) -> None:
    room = served.platform.room
    for number in range(room.settings.history_messages + 5):
        await served.platform.send(delivery(served.room, f"message {number} ends", origin=str(number)))
    async with people.person() as lin:
        await lin.joins("小林")
        await expect(lin.page.locator(".msg")).to_have_count(room.settings.history_messages)
        await lin.page.locator(".older").click()
        await lin.sees("message 0 ends")
        await expect(lin.page.locator(".msg")).to_have_count(room.settings.history_messages + 5)


async def test_what_a_member_has_erased_leaves_every_page(served: Served, people: People) -> None:
    async with people.person() as lin, people.person() as anna:
        await lin.joins("小林")
        await anna.joins("Anna")
        await lin.says("忘了我吧")
        await anna.says("还在")
        await anna.sees("忘了我吧")
        key = served.inbox.of("said")[0].message.author.key
        eraser = served.platform.eraser()
        assert eraser.of_member is not None
        erase = eraser.of_member
        await served.platform.room.store.write(lambda connection: erase(connection, key))
        await expect(anna.page.locator(".msg", has_text="忘了我吧")).to_have_count(0)
        await anna.sees("还在")
        await expect(lin.page.locator("input[name=name]")).to_be_visible()


async def test_a_moderator_may_ask_why_and_a_member_may_not(served: Served, people: People) -> None:
    message = await served.platform.send(delivery(served.room, "一个答案"))
    async with people.person() as lin:
        await lin.joins("小林")
        await lin.message("一个答案").locator(".held").hover()
        await expect(lin.message("一个答案").locator("[data-act=why]")).to_have_count(0)
        [member] = await served.platform.members.all()
        await served.platform.members.set_role(member.id, Role.MODERATOR, who="operator:x", scope="room:web:lobby")
        served.platform.room.live.wake(served.room.id)
        await lin.does("why", "一个答案")
        await expect(lin.page.locator("dialog.why strong")).to_have_text("from_documents")
        await expect(lin.page.locator("dialog.why")).to_contain_text(message)
        await lin.page.click("dialog.why .act")
        await expect(lin.page.locator("dialog.why")).to_have_count(0)


async def test_a_button_is_pressed_by_its_place(served: Served, people: People) -> None:
    async with people.person() as lin:
        await lin.joins("小林")
        await lin.says("@毛豆 后端？")
        await lin.page.locator(".press").click()
        [pressed] = await eventually(lambda: served.inbox.of("pressed"))
        assert (pressed.button, pressed.command) == ("opaque-1", None)
        assert "opaque-1" not in await lin.page.content()


async def test_the_operators_console(served: Served, people: People, tmp_path: Path) -> None:
    guide = tmp_path / "guide.md"
    guide.write_text("# hello")
    async with people.person() as lin:
        await lin.joins("小林")
        assert lin.troubles == []
        await lin.page.goto(served.platform.operator_link())
        lin.troubles.clear()  # Gradio's script complains when its page is left
        await expect(lin.page.locator("#kb-documents tbody tr").first).to_contain_text("guide/install.md")
        await expect(lin.page.locator("#kb-documents tbody tr").first).to_contain_text("已收录")
        await lin.page.set_input_files("#kb-files input[type=file]", guide)
        # Gradio draws a file's name and its ending apart.
        await expect(lin.page.locator("#kb-files")).to_contain_text(re.compile(r"guide\s*\.md"))
        await expect(lin.page.locator("#kb-files [aria-label=上传]")).to_be_visible()
        await lin.page.click("#kb-add")
        await expect(lin.page.locator("#kb-documents")).to_contain_text("guide.md")
        assert "common." not in str(await lin.page.text_content("body"))

        await lin.page.get_by_role("tab", name="房间与设置").click()
        await expect(lin.page.locator("#settings")).to_contain_text("unasked_per_hour")
        await lin.page.locator("#setting-name input").click()
        await lin.page.get_by_role("option", name="unasked_per_hour").click()
        await lin.page.locator("#setting-value textarea, #setting-value input").fill("lots")
        await lin.page.click("#setting-save")
        await expect(lin.page.locator(".toast-body")).to_contain_text("lots")
        await lin.page.locator("#setting-value textarea, #setting-value input").fill("7")
        await lin.page.click("#setting-save")
        await expect(lin.page.locator("#audit")).to_contain_text("settings.unasked_per_hour")
        [member] = await served.platform.members.all()
        await expect(lin.page.locator("#audit")).to_contain_text(f"web:{member.id}")
        await expect(lin.page.locator("#members")).to_contain_text("群主")
        await lin.page.goto(f"{served.url}/room/")
        await expect(lin.page.locator("nav a", has_text="控制台")).to_be_visible()
        assert lin.troubles == []
