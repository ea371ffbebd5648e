"""The console's first tab: the knowledge bases, their documents, and why one of them is not read."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import gradio as gr

from adapters.web.desks import Document, KnowledgeDesk
from adapters.web.look import table
from adapters.web.site import Site
from bot.texts import Text

Say = Callable[..., str]
Guard = Callable[[Any], Any]
QUIET: dict[str, Any] = {"api_visibility": "private"}

_BASE = Text(zh="知识库", en="Knowledge base")
_COLUMNS = (
    Text(zh="文档", en="Document"),
    Text(zh="状态", en="Status"),
    Text(zh="说明", en="Reason"),
    Text(zh="段落", en="Passages"),
    Text(zh="大小", en="Size"),
)
_STATUS = {"indexed": Text(zh="已收录", en="taken in"), "skipped": Text(zh="没有收下", en="not taken in")}
_ADD_HEAD = Text(zh="### 添加文档", en="### Add documents")
_ADD_TO = Text(zh="加到哪个知识库（可以写新名字）", en="Into which base (a new name makes one)")
_FILES = Text(
    zh="文件（Markdown、文本、HTML、PDF、Word、问答对）",
    en="Files (Markdown, text, HTML, PDF, Word, question–answer pairs)",
)
_ADD = Text(zh="添加", en="Add")
_REMOVE_HEAD = Text(zh="### 删除", en="### Remove")
_DOCUMENT = Text(zh="文档", en="Document")
_REMOVE = Text(zh="删除这个文档", en="Remove this document")
_REMOVE_BASE = Text(zh="删除整个知识库", en="Remove the whole base")
_SURE = Text(zh="我确定要删除整个知识库", en="I do want to remove the whole base")
_SAY_SURE = Text(zh="请先勾选“我确定”。", en="Please tick the box first.")
_NO_FILES = Text(zh="请先选择文件。", en="Please choose files first.")
_NO_DOCUMENT = Text(zh="请先选择文档。", en="Please choose a document first.")
_COUNT = Text(
    zh="{documents} 个文档，{passages} 个段落。{note}", en="{documents} documents, {passages} passages. {note}"
)
_EMPTY = Text(zh="还没有知识库：在下面添加文档。", en="There is no knowledge base yet: add documents below.")


def knowledge_tab(blocks: gr.Blocks, site: Site, desk: KnowledgeDesk, say: Say, guard: Guard) -> None:
    base = gr.Dropdown(label=say(_BASE), choices=[], interactive=True, elem_id="kb-base")
    told = gr.Markdown(elem_id="kb-told")
    documents_shown = gr.HTML(apply_default_css=False, elem_id="kb-documents")
    with gr.Row():
        with gr.Column():
            gr.Markdown(say(_ADD_HEAD))
            into = gr.Dropdown(
                label=say(_ADD_TO), choices=[], allow_custom_value=True, interactive=True, elem_id="kb-into"
            )
            files = gr.File(label=say(_FILES), file_count="multiple", height=140, elem_id="kb-files")
            add = gr.Button(say(_ADD), variant="primary", elem_id="kb-add")
        with gr.Column():
            gr.Markdown(say(_REMOVE_HEAD))
            document = gr.Dropdown(label=say(_DOCUMENT), choices=[], interactive=True, elem_id="kb-document")
            remove = gr.Button(say(_REMOVE), elem_id="kb-remove")
            sure = gr.Checkbox(label=say(_SURE), elem_id="kb-sure")
            remove_base = gr.Button(say(_REMOVE_BASE), variant="stop", elem_id="kb-remove-base")

    look = partial(_look, desk, say)

    async def show(chosen: str | None, request: gr.Request) -> tuple[Any, ...]:
        return await look(chosen)

    async def put(into: str | None, paths: list[str] | None, request: gr.Request) -> tuple[Any, ...]:
        if not paths:
            raise gr.Error(say(_NO_FILES), print_exception=False)
        name = (into or "").strip() or "default"
        said = await desk.add(name, [(Path(path).name, Path(path)) for path in paths], await site.who(request))
        return (*await look(name, said), None)

    async def take(chosen: str | None, source: str | None, request: gr.Request) -> tuple[Any, ...]:
        if not chosen or not source:
            raise gr.Error(say(_NO_DOCUMENT), print_exception=False)
        return await look(chosen, await desk.remove(chosen, source, await site.who(request)))

    async def take_base(chosen: str | None, is_sure: bool, request: gr.Request) -> tuple[Any, ...]:
        if not chosen or not is_sure:
            raise gr.Error(say(_SAY_SURE), print_exception=False)
        said = await desk.remove(chosen, None, await site.who(request))
        return (*await look(None, said), False)

    shown = [base, into, told, documents_shown, document]
    blocks.load(guard(show), [base], shown, **QUIET)
    base.input(guard(show), [base], shown, **QUIET)
    add.click(guard(put), [into, files], [*shown, files], **QUIET)
    remove.click(guard(take), [base, document], shown, **QUIET)
    remove_base.click(guard(take_base), [base, sure], [*shown, sure], **QUIET)


async def _look(desk: KnowledgeDesk, say: Say, chosen: str | None, said: str = "") -> tuple[Any, Any, str, Any, Any]:
    bases = {each.name: each for each in await desk.bases()}
    name = chosen if chosen in bases else next(iter(bases), None)
    documents = await desk.documents(name) if name is not None else ()
    about = say(_EMPTY)
    if name is not None:
        shown = bases[name]
        about = say(_COUNT, documents=shown.documents, passages=shown.passages, note=shown.note)
    return (
        gr.update(choices=list(bases), value=name),
        gr.update(choices=list(bases), value=name or "default"),
        f"{said}\n\n{about}".strip(),
        table([say(column) for column in _COLUMNS], [_row(each, say) for each in documents]),
        gr.update(choices=[each.source for each in documents], value=None),
    )


def _row(document: Document, say: Say) -> list[Any]:
    size = f"{document.size_bytes / 1024:.1f} KB" if document.size_bytes else ""
    return [document.source, say(_STATUS[document.status]), document.reason, document.passages, size]
