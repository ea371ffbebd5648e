"""The room in the browser: a Gradio page of two components.

``gr.HTML`` holds the conversation and is written by an endless event that wakes when the room changes (push,
no polling); its own script (``static/room.js``) brings the picture into the page. ``gr.MultimodalTextbox`` is the
box to write in, with files and the microphone (``static/box.js`` gives it its words).
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import AsyncIterator, Callable, Mapping
from pathlib import Path
from typing import Any

import gradio as gr
import structlog
from fastapi import FastAPI
from starlette.requests import Request

from adapters.web import texts
from adapters.web.look import mount, page_head, scripts
from adapters.web.members import WebMember
from adapters.web.posting import Post
from adapters.web.room import as_message_id
from adapters.web.site import Site
from bot.errors import MemberError, StoreError

log = structlog.get_logger(__name__)

SKELETON = """
<div class="room">
  <header class="top">
    <span class="logo" aria-hidden="true"></span>
    <div class="title"><h1></h1><p class="present"></p></div>
    <nav></nav>
  </header>
  <div class="log" tabindex="0" role="log" aria-live="polite"><div class="lines"></div></div>
  <button type="button" class="fresh" hidden></button>
  <p class="lost" role="status" hidden></p>
  <div class="chip" hidden></div>
  <div class="voice" role="status" hidden></div>
</div>
"""


def mount_room(app: FastAPI, site: Site, versions: Mapping[str, str], uploads: Path) -> None:
    """``uploads``: the one folder from which a message's files are taken."""

    async def visitor(request: Request) -> str | None:
        member = await site.member(request)
        return member.id if member is not None else None

    blocks = make_room(site, versions, uploads)
    head = page_head(versions, "room")
    mount(app, blocks, "/room", visitor, head=head, max_file_bytes=site.settings.max_file_bytes)


def make_room(site: Site, versions: Mapping[str, str], uploads: Path) -> gr.Blocks:
    blocks: gr.Blocks

    async def submit(box: dict[str, Any] | None, act: str, request: gr.Request) -> tuple[Any, str]:
        """What was typed, sent; the box is emptied only when it is kept."""
        language = site.language(request)
        try:
            member = await site.member(request)
            if member is None:
                raise MemberError(texts.NOT_A_MEMBER)
            await _do(site, member, box or {}, act, uploads)
        except MemberError as error:
            return gr.skip(), _outcome(act, error.in_language(language))
        except StoreError as error:
            log.error("web.post_not_kept", error=str(error))
            return gr.skip(), _outcome(act, texts.NOT_KEPT.in_language(language))
        return {"text": "", "files": []}, _outcome(act, "")

    async def greet_in(request: gr.Request) -> Any:
        words = texts.page_texts(site.language(request))["placeholder"]
        return gr.update(placeholder=words, label=words)

    quiet: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private", "concurrency_limit": None}
    with gr.Blocks(
        title=site.room_name(site.settings.language),
        analytics_enabled=False,
        fill_width=True,
        delete_cache=(3600, 86400),
    ) as blocks:
        page = gr.HTML(
            value={},
            html_template=SKELETON,
            js_on_load="window.maodou.room(element, props, watch)",
            head=scripts(versions, "message.js", "box.js", "room.js"),
            apply_default_css=False,
            elem_id="maodou-room",
        )
        box = gr.MultimodalTextbox(
            sources=["upload", "microphone"],
            file_count="multiple",
            lines=1,
            max_lines=8,
            label=texts.page_texts(site.settings.language)["placeholder"],
            show_label=False,
            container=False,
            max_plain_text_length=site.settings.max_message_chars,
            elem_id="maodou-box",
        )
        act = gr.Textbox(visible="hidden", elem_id="maodou-act")
        outcome = gr.Textbox(visible="hidden", elem_id="maodou-outcome")
        blocks.load(_live(site), None, [page], **quiet)
        blocks.load(greet_in, None, [box], **quiet)
        sent = box.submit(submit, [box, act], [box, outcome], js="(box) => [box, window.maodou.act()]", **quiet)
        sent.then(None, [outcome], None, js="(outcome) => { window.maodou.sent(outcome); }")
    return blocks


def _live(site: Site) -> Callable[[gr.Request], AsyncIterator[dict[str, Any]]]:
    async def live(request: gr.Request) -> AsyncIterator[dict[str, Any]]:
        """The room's picture, again whenever it changed; a heartbeat in between."""
        member = await site.member(request)
        if member is None:
            yield {"stranger": True}
            return
        with site.room.live.watch(site.room.room.id, member.id, member.name) as watcher:
            beat = 0
            while not watcher.closed:
                known = await site.members.get(member.id)
                if known is None:
                    break
                with contextlib.suppress(StoreError):  # to be seen is not worth a page's stream
                    await site.members.seen(known)
                operator = site.is_operator(request)
                yield {"beat": beat, **await site.picture(known, site.language(request), operator=operator)}
                beat += 0 if await watcher.changed(site.settings.heartbeat_s) else 1
        yield {"stranger": not watcher.closed, "stopped": watcher.closed}

    return live


async def _do(site: Site, member: WebMember, box: Mapping[str, Any], act: str, uploads: Path) -> None:
    """A new message, or the changed text of an old one. ``act`` is what the script says about it, as JSON."""
    said = _read_act(act)
    text = str(box.get("text") or "")
    edited = as_message_id(said.get("edit"))
    if edited is not None:
        await site.posting.edit(member, edited, text)
        return
    files = tuple((Path(path).name, Path(path)) for path in box.get("files") or ())
    if not all(path.is_relative_to(uploads) and ".." not in path.parts for _, path in files):
        raise MemberError(texts.NOT_HERE)
    if not text.strip() and not files:
        return
    draft = str(said.get("draft") or "")[:64]
    await site.posting.post(member, Post(text, draft, as_message_id(said.get("reply")), files))


def _read_act(act: str) -> dict[str, Any]:
    try:
        said = json.loads(act)
    except ValueError:
        return {}
    return said if isinstance(said, dict) else {}


def _outcome(act: str, error: str) -> str:
    """For the script. ``draft`` tells it which sending this was."""
    return json.dumps({"draft": _read_act(act).get("draft"), "error": error})
