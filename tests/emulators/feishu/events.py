"""Events as the platform writes them (schema 2.0): what happened in the world, as JSON for the bot."""

from __future__ import annotations

from typing import Any

from tests.emulators.feishu.world import TENANT, Chat, Person, Post, World


class Events:
    """Builds payloads; numbers the event ids. ``token`` is the app's verification token."""

    def __init__(self, world: World, token: str) -> None:
        self._world = world
        self._token = token

    def _event(self, kind: str, event: dict[str, Any]) -> dict[str, Any]:
        return {
            "schema": "2.0",
            "header": {
                "event_id": self._world.number("ev"),
                "event_type": kind,
                "create_time": str(int(self._world.now() * 1000)),
                "token": self._token,
                "app_id": self._world.app_id,
                "tenant_key": TENANT,
            },
            "event": event,
        }

    def said(self, post: Post, chat: Chat, sender: Person) -> dict[str, Any]:
        """``im.message.receive_v1``. Fields that do not apply are absent, as the platform leaves them out."""
        message = {
            "message_id": post.id,
            "root_id": post.root_id,
            "parent_id": post.parent_id,
            "thread_id": post.thread_id,
            "create_time": str(post.created_ms),
            "update_time": str(post.updated_ms),
            "chat_id": chat.id,
            "chat_type": "p2p" if chat.mode == "p2p" else "group",
            "message_type": post.type,
            "content": post.content,
            "mentions": post.mentions or None,
        }
        return self._event(
            "im.message.receive_v1",
            {
                "sender": {
                    "sender_id": sender.ids,
                    "sender_type": "bot" if sender.is_bot else "user",
                    "tenant_key": TENANT,
                },
                "message": {name: value for name, value in message.items() if value is not None},
            },
        )

    def recalled(self, post: Post) -> dict[str, Any]:
        return self._event(
            "im.message.recalled_v1",
            {
                "message_id": post.id,
                "chat_id": post.chat_id,
                "recall_time": str(int(self._world.now() * 1000)),
                "recall_type": "message_owner",
            },
        )

    def reacted(self, post: Post, person: Person, emoji: str, *, added: bool) -> dict[str, Any]:
        """It names the message but not the chat, as on the platform."""
        return self._event(
            "im.message.reaction.created_v1" if added else "im.message.reaction.deleted_v1",
            {
                "message_id": post.id,
                "reaction_type": {"emoji_type": emoji},
                "operator_type": "user",
                "user_id": person.ids,
                "action_time": str(int(self._world.now() * 1000)),
            },
        )

    def bot_moved(self, chat: Chat, by: Person, *, added: bool) -> dict[str, Any]:
        return self._event(
            "im.chat.member.bot.added_v1" if added else "im.chat.member.bot.deleted_v1",
            {
                "chat_id": chat.id,
                "operator_id": by.ids,
                "external": chat.external,
                "operator_tenant_key": TENANT,
                "name": chat.name,
            },
        )

    def pressed(self, post: Post, person: Person, value: dict[str, Any]) -> dict[str, Any]:
        """``card.action.trigger``: a callback, answered in the acknowledgement and never pushed again."""
        return self._event(
            "card.action.trigger",
            {
                "operator": {"tenant_key": TENANT, **person.ids},
                "token": self._world.number("c"),
                "action": {"value": value, "tag": "button"},
                "host": "im_message",
                "context": {"open_message_id": post.id, "open_chat_id": post.chat_id},
            },
        )

    def mention(self, key: str, person: Person) -> dict[str, Any]:
        """An entry of ``mentions``; ``key`` is what stands for the name in the text."""
        return {
            "key": key,
            "id": person.ids,
            "mentioned_type": "bot" if person.is_bot else "user",
            "name": person.name,
            "tenant_key": TENANT,
        }
