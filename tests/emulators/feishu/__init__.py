"""A Feishu that runs on the loopback, for the unmodified lark-oapi clients. See ``README.md`` beside this file."""

import tests.emulators.feishu.library  # noqa: F401 – before anything else imports lark-oapi

# isort: split
from tests.emulators.feishu.faults import Faults, Refusal
from tests.emulators.feishu.limits import Limits
from tests.emulators.feishu.redelivery import Told
from tests.emulators.feishu.server import ALL, Feishu, Shown
from tests.emulators.feishu.world import Chat, Person, Post

__all__ = ["ALL", "Chat", "Faults", "Feishu", "Limits", "Person", "Post", "Refusal", "Shown", "Told"]
