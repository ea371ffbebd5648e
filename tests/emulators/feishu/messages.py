"""Messages over REST: send, reply, edit, patch, recall, read, history, reactions.

Idempotency is finite, as on the platform: within ``Limits.key_window_s`` a ``uuid`` gives the first message
back, after it the same call sends a second one.
"""

from __future__ import annotations

import json
import re
from typing import Any

from aiohttp import web

from tests.emulators.feishu.api import CHAT_RATE_LIMITED, INVALID, Api, Refused
from tests.emulators.feishu.limits import Rate
from tests.emulators.feishu.world import TENANT, Chat, Post

UUID_MOST_CHARS = 50
CARD_FAILED = 230099
WRONG_FILE_TYPE = 230055
"""A file uploaded as opus is sent as audio and as nothing else; as Feishu's own client met it:
https://github.com/larksuite/cli/issues/1247"""
TYPES = {"text", "post", "interactive", "image", "audio", "file", "media"}


TABLE_RULE = re.compile(r"^ *\|?(?: *:?-{3,}:? *\|)+(?: *:?-{3,}:? *)?$", re.MULTILINE)


def tables_in(node: Any) -> int:
    """Tables of a card: elements of that kind, and tables written in Markdown."""
    if isinstance(node, dict):
        here = int(node.get("tag") == "table")
        if node.get("tag") == "markdown":
            here += len(TABLE_RULE.findall(str(node.get("content", ""))))
        return here + sum(tables_in(value) for value in node.values())
    if isinstance(node, list):
        return sum(tables_in(value) for value in node)
    return 0


def invalid(why: str) -> Refused:
    return Refused(INVALID, f"Your request contains an invalid request parameter, ext={why}.")


class Messages:
    def __init__(self, api: Api) -> None:
        self._api = api
        self._world = api.world
        self._limits = api.limits
        self._per_chat: dict[str, Rate] = {}
        self._per_message: dict[str, Rate] = {}

    def routes(self) -> list[web.RouteDef]:
        call, base = self._api.call, "/open-apis/im/v1/messages"
        return [
            web.post(base, call(self._create, "im:message:send_as_bot")),
            web.get(base, call(self._history, "im:message.group_msg")),
            web.post(base + "/{id}/reply", call(self._reply, "im:message:send_as_bot")),
            web.put(base + "/{id}", call(self._edit, "im:message:update")),
            web.patch(base + "/{id}", call(self._patch, "im:message:update")),
            web.delete(base + "/{id}", call(self._recall, "im:message:recall")),
            web.get(base + "/{id}", call(self._get, "im:message:readonly")),
            web.post(base + "/{id}/reactions", call(self._react, "im:message.reactions:write_only")),
            web.get(base + "/{id}/reactions", call(self._reactions, "im:message.reactions:read")),
            web.delete(base + "/{id}/reactions/{reaction}", call(self._unreact, "im:message.reactions:write_only")),
        ]

    # ── sending ──────────────────────────────────────────────────────────────────────────────────────

    async def _create(self, request: web.Request, body: dict[str, Any]) -> dict[str, Any]:
        kind, receiver = request.query.get("receive_id_type"), str(body.get("receive_id", ""))
        if kind == "open_id":
            chat = next(
                (one for one in self._world.chats.values() if one.mode == "p2p" and one.owner == receiver), None
            )
            if chat is None:
                raise invalid("invalid receive_id")
        elif kind == "chat_id":
            chat = self._api.chat_of(receiver)
        else:
            raise invalid("invalid receive_id_type")
        return self._send(chat, body, None, in_thread=False)

    async def _reply(self, request: web.Request, body: dict[str, Any]) -> dict[str, Any]:
        question = self._api.post_of(request.match_info["id"])
        chat = self._api.chat_of(question.chat_id)
        return self._send(chat, body, question, in_thread=bool(body.get("reply_in_thread")))

    def _send(self, chat: Chat, body: dict[str, Any], question: Post | None, *, in_thread: bool) -> dict[str, Any]:
        content = self._checked(body)
        uuid = body.get("uuid")
        if uuid is not None and not 1 <= len(uuid) <= UUID_MOST_CHARS:
            raise invalid("uuid length invalid")
        now = self._world.now()
        if uuid is not None:
            known = self._world.keys.get((chat.id, uuid))
            if known is not None and now - known[1] < self._limits.key_window_s:
                self._world.absorbed += 1
                return self.shape(self._world.posts[known[0]])
        self._take_turn(chat.id)
        post = self._world.post(
            chat, self._world.app_id, str(body["msg_type"]), content, reply_to=question, in_thread=in_thread, uuid=uuid
        )
        if uuid is not None:
            self._world.keys[chat.id, uuid] = (post.id, now)
        return self.shape(post)

    def _take_turn(self, chat_id: str) -> None:
        rate = self._per_chat.setdefault(chat_id, Rate(self._limits.chat_sends_per_s))
        if rate.take(self._world.now()):
            raise Refused(CHAT_RATE_LIMITED, "This operation triggers the frequency limit, ext=chat rate limit")

    def _checked(self, body: dict[str, Any]) -> dict[str, Any]:
        """The message's content, or a refusal: unknown type, no JSON, too large, nothing in it."""
        type_, raw = body.get("msg_type"), body.get("content")
        if type_ not in TYPES or not isinstance(raw, str):
            raise invalid("invalid msg_type or content")
        try:
            content = json.loads(raw)
        except ValueError as error:
            raise invalid("invalid message content") from error
        if not isinstance(content, dict):
            raise invalid("invalid message content")
        size = len(raw.encode())
        if size > (self._limits.text_bytes if type_ == "text" else self._limits.card_bytes):
            raise invalid("the message exceeds the size limit")
        if type_ == "text" and not str(content.get("text", "")).strip():
            raise invalid("text content is empty")
        if type_ == "interactive":
            self._check_card(content)
        if type_ in ("image", "audio", "file"):
            key = content.get("image_key") or content.get("file_key")
            if key not in self._world.files:
                raise invalid("invalid file_key")
            if (type_ == "audio") != (key in self._world.audio):
                raise Refused(WRONG_FILE_TYPE, "The type of file upload does not match the type of message being sent")
        return content

    def _check_card(self, content: dict[str, Any]) -> None:
        if content.get("type") == "card":
            if content.get("data", {}).get("card_id") not in self._world.cards:
                raise Refused(CARD_FAILED, "Failed to create card content, ext=card entity not found")
            return
        if tables_in(content) > self._limits.card_tables:
            raise Refused(
                CARD_FAILED, "Failed to create card content, ext=ErrCode: 11310; ErrMsg: card table number over limit"
            )

    # ── changing ─────────────────────────────────────────────────────────────────────────────────────

    async def _edit(self, request: web.Request, body: dict[str, Any]) -> dict[str, Any]:
        post = self._api.post_of(request.match_info["id"], ours=True)
        if post.type not in ("text", "post") or body.get("msg_type") not in ("text", "post"):
            raise invalid("only text and post messages can be edited")
        content = self._checked(body)
        if post.edits >= self._limits.edits:
            raise Refused(230072, "The message has reached the number of times it can be edited.")
        post.edits += 1
        post.type, post.content = body["msg_type"], json.dumps(content, ensure_ascii=False)
        post.updated_ms = int(self._world.now() * 1000)
        self._world.see("edited", post)
        return self.shape(post)

    async def _patch(self, request: web.Request, body: dict[str, Any]) -> dict[str, Any]:
        post = self._api.post_of(request.match_info["id"], ours=True)
        if post.type != "interactive":
            raise invalid("only cards can be patched")
        rate = self._per_message.setdefault(post.id, Rate(self._limits.chat_sends_per_s))
        if rate.take(self._world.now()):
            raise Refused(CHAT_RATE_LIMITED, "This operation triggers the frequency limit")
        content = self._checked({"msg_type": "interactive", "content": body.get("content")})
        post.content = json.dumps(content, ensure_ascii=False)
        post.updated_ms = int(self._world.now() * 1000)
        self._world.see("edited", post)
        return {}

    async def _recall(self, request: web.Request, body: dict[str, Any]) -> dict[str, Any]:
        post = self._api.post_of(request.match_info["id"], ours=True)
        post.recalled = True
        self._world.see("recalled", post)
        return {}

    # ── reading ──────────────────────────────────────────────────────────────────────────────────────

    async def _get(self, request: web.Request, body: dict[str, Any]) -> dict[str, Any]:
        post = self._world.posts.get(request.match_info["id"])
        if post is None:
            raise invalid("invalid message_id")
        self._api.chat_of(post.chat_id)
        return {"items": [self.shape(post)]}

    async def _history(self, request: web.Request, body: dict[str, Any]) -> dict[str, Any]:
        query = request.query
        kind, container = query.get("container_id_type"), query.get("container_id", "")
        if kind == "chat":
            posts = list(self._world.posts_of(self._api.chat_of(container).id))
        elif kind == "thread":
            posts = [post for post in self._world.posts.values() if post.thread_id == container]
            if posts:
                self._api.chat_of(posts[0].chat_id)
        else:
            raise invalid("invalid container_id_type")
        since = int(query.get("start_time") or 0) * 1000
        until = int(query["end_time"]) * 1000 + 999 if query.get("end_time") else float("inf")
        posts = [post for post in posts if since <= post.created_ms <= until]
        if query.get("sort_type") == "ByCreateTimeDesc":
            posts.reverse()
        size, start = min(int(query.get("page_size", "20")), 50), int(query.get("page_token") or 0)
        more = start + size < len(posts)
        page = posts[start : start + size]
        return {
            "items": [self.shape(post) for post in page],
            "has_more": more,
            "page_token": str(start + size) if more else "",
        }

    def shape(self, post: Post) -> dict[str, Any]:
        """A message as the REST calls show it."""
        shape = {
            "message_id": post.id,
            "root_id": post.root_id,
            "parent_id": post.parent_id,
            "thread_id": post.thread_id,
            "msg_type": post.type,
            "create_time": str(post.created_ms),
            "update_time": str(post.updated_ms),
            "deleted": post.recalled,
            "updated": post.edits > 0,
            "chat_id": post.chat_id,
            "sender": {
                "id": post.sender,
                "id_type": "app_id" if post.sender_type == "app" else "open_id",
                "sender_type": post.sender_type,
                "tenant_key": TENANT,
            },
            "body": {"content": "This message was recalled" if post.recalled else self._content(post)},
            "mentions": [
                {"key": one["key"], "id": one["id"]["open_id"], "id_type": "open_id", "name": one["name"]}
                for one in post.mentions
            ]
            or None,
        }
        return {name: value for name, value in shape.items() if value is not None}

    def _content(self, post: Post) -> str:
        """A card comes back without its words (larksuite/oapi-sdk-java issue 168)."""
        if post.type != "interactive":
            return post.content
        lines = [[{"tag": "text", "text": "请将客户端升级至最新版本，以查看内容"}]]
        return json.dumps({"title": "", "elements": lines}, ensure_ascii=False)

    # ── reactions ────────────────────────────────────────────────────────────────────────────────────

    async def _react(self, request: web.Request, body: dict[str, Any]) -> dict[str, Any]:
        post = self._api.post_of(request.match_info["id"])
        emoji = str(body.get("reaction_type", {}).get("emoji_type", ""))
        if not emoji:
            raise invalid("reaction type is invalid")
        reaction_id = self._world.number("re")
        post.reactions[reaction_id] = (self._world.app_id, emoji)
        self._world.see("reacted", post)
        return self._reaction(reaction_id, post)

    async def _unreact(self, request: web.Request, body: dict[str, Any]) -> dict[str, Any]:
        post = self._api.post_of(request.match_info["id"])
        reaction_id = request.match_info["reaction"]
        if post.reactions.get(reaction_id, ("",))[0] != self._world.app_id:
            raise invalid("reaction_id is invalid")
        shape = self._reaction(reaction_id, post)
        del post.reactions[reaction_id]
        return shape

    async def _reactions(self, request: web.Request, body: dict[str, Any]) -> dict[str, Any]:
        post = self._api.post_of(request.match_info["id"])
        return {"items": [self._reaction(one, post) for one in post.reactions], "has_more": False, "page_token": ""}

    def _reaction(self, reaction_id: str, post: Post) -> dict[str, Any]:
        operator, emoji = post.reactions[reaction_id]
        return {
            "reaction_id": reaction_id,
            "operator": {
                "operator_id": operator,
                "operator_type": "app" if operator == self._world.app_id else "user",
            },
            "action_time": str(int(self._world.now() * 1000)),
            "reaction_type": {"emoji_type": emoji},
        }
