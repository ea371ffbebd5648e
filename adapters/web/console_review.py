"""The console's tab for what waits for a person: documents from members, answers called wrong, sources kept in step."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import gradio as gr

from adapters.web.desks import ReviewDesk
from adapters.web.look import table
from adapters.web.site import Site
from bot.texts import Text

Say = Callable[..., str]
Guard = Callable[[Any], Any]
QUIET: dict[str, Any] = {"api_visibility": "private"}

_UPLOADS = Text(zh="### 成员提交的文档", en="### Documents from members")
_CASES = Text(zh="### 被说答错的回答", en="### Answers called wrong")
_SOURCES = Text(zh="### 自动更新的来源", en="### Sources kept in step")
_NUMBER = Text(zh="编号", en="Number")
_UPLOAD_COLUMNS = (
    _NUMBER,
    Text(zh="文档", en="Document"),
    Text(zh="知识库", en="Base"),
    Text(zh="提交人", en="From"),
    Text(zh="开头", en="Beginning"),
)
_CASE_COLUMNS = (
    _NUMBER,
    Text(zh="问题", en="Question"),
    Text(zh="回答", en="Answer"),
    Text(zh="引用", en="Cited"),
    Text(zh="成员说", en="Members say"),
)
_SOURCE_COLUMNS = (
    _NUMBER,
    Text(zh="知识库", en="Base"),
    Text(zh="来源", en="Source"),
    Text(zh="状态", en="State"),
    Text(zh="上次", en="Last"),
)
_APPROVE = Text(zh="收下", en="Take in")
_REJECT = Text(zh="不收", en="Turn down")
_RULING = Text(zh="结论", en="Ruling")
_RULINGS = (
    (Text(zh="本该这样答", en="should have been answered"), "answer"),
    (Text(zh="本不该说话", en="should have been silent"), "silent"),
    (Text(zh="不算", en="counts for nothing"), "drop"),
)
_HOLDS = Text(zh="答案在哪个文件（本该这样答时填）", en="The file that holds the answer (when it should have answered)")
_CLOSE = Text(zh="下结论", en="Rule")
_SYNC = Text(zh="现在更新", en="Sync now")
_END = Text(zh="中止", en="End it")
_LOOK = Text(zh="刷新", en="Look again")
_NO_NUMBER = Text(zh="请先填编号。", en="Please give its number first.")
_NOTHING = Text(zh="没有待处理的。", en="Nothing is waiting.")


def review_tab(blocks: gr.Blocks, site: Site, desk: ReviewDesk, say: Say, guard: Guard) -> None:
    told = gr.Markdown(elem_id="review-told")
    gr.Markdown(say(_UPLOADS))
    uploads = gr.HTML(apply_default_css=False, elem_id="review-uploads")
    with gr.Row():
        upload = gr.Number(label=say(_NUMBER), precision=0, elem_id="review-upload")
        approve = gr.Button(say(_APPROVE), variant="primary", elem_id="review-approve")
        reject = gr.Button(say(_REJECT), elem_id="review-reject")
    gr.Markdown(say(_CASES))
    cases = gr.HTML(apply_default_css=False, elem_id="review-cases")
    with gr.Row():
        case = gr.Number(label=say(_NUMBER), precision=0, elem_id="review-case")
        ruling = gr.Dropdown(
            label=say(_RULING),
            choices=[(say(name), value) for name, value in _RULINGS],
            value="answer",
            elem_id="review-ruling",
        )
        holds = gr.Textbox(label=say(_HOLDS), elem_id="review-source")
        close = gr.Button(say(_CLOSE), elem_id="review-close")
    gr.Markdown(say(_SOURCES))
    sources = gr.HTML(apply_default_css=False, elem_id="review-sources")
    with gr.Row():
        source = gr.Number(label=say(_NUMBER), precision=0, elem_id="review-number")
        sync = gr.Button(say(_SYNC), elem_id="review-sync")
        end = gr.Button(say(_END), elem_id="review-end")
        look = gr.Button(say(_LOOK), elem_id="review-look")

    shown = [told, uploads, cases, sources]
    look_again = partial(_look, desk, say)

    async def show(request: gr.Request) -> tuple[Any, ...]:
        return await look_again("")

    async def decide(number: float | None, request: gr.Request, *, take: bool) -> tuple[Any, ...]:
        return await look_again(await desk.decide(_chosen(number, say), take=take, who=await site.who(request)))

    async def take_in(number: float | None, request: gr.Request) -> tuple[Any, ...]:
        return await decide(number, request, take=True)

    async def turn_down(number: float | None, request: gr.Request) -> tuple[Any, ...]:
        return await decide(number, request, take=False)

    async def rule(number: float | None, ruled: str, files: str, request: gr.Request) -> tuple[Any, ...]:
        return await look_again(await desk.rule(_chosen(number, say), ruled, files or "", await site.who(request)))

    async def now(number: float | None, request: gr.Request) -> tuple[Any, ...]:
        return await look_again(await desk.sync(_chosen(number, say), end=False))

    async def stop(number: float | None, request: gr.Request) -> tuple[Any, ...]:
        return await look_again(await desk.sync(_chosen(number, say), end=True))

    blocks.load(guard(show), [], shown, **QUIET)
    look.click(guard(show), [], shown, **QUIET)
    approve.click(guard(take_in), [upload], shown, **QUIET)
    reject.click(guard(turn_down), [upload], shown, **QUIET)
    close.click(guard(rule), [case, ruling, holds], shown, **QUIET)
    sync.click(guard(now), [source], shown, **QUIET)
    end.click(guard(stop), [source], shown, **QUIET)


def _chosen(number: float | None, say: Say) -> int:
    if number is None:
        raise gr.Error(say(_NO_NUMBER), print_exception=False)
    return int(number)


async def _look(desk: ReviewDesk, say: Say, said: str) -> tuple[str, str, str, str]:
    parts = (
        (_UPLOAD_COLUMNS, await desk.uploads()),
        (_CASE_COLUMNS, await desk.cases()),
        (_SOURCE_COLUMNS, await desk.sources()),
    )
    first, second, third = (
        table([say(column) for column in columns], [list(row) for row in rows]) if rows else f"<p>{say(_NOTHING)}</p>"
        for columns, rows in parts
    )
    return said, first, second, third
