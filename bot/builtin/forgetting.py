"""``/forget me``: erase what is kept of the one who asks."""

from __future__ import annotations

from bot.commands import Argument, Call, Command, Done
from bot.decision import Reason
from bot.retention import Retention
from bot.store import Store
from bot.texts import Text

ABOUT = Text(zh="删除我保存的、你说过的一切", en="erase all that I keep of what you said")
ARGUMENT = Text(zh="写 me，表示你自己", en="me: yourself")
ERASED = Text(
    zh=(
        "删除了你的 {texts} 段话、我对它们的 {answers} 条回答、你的 {ratings} 个评价和 {settings} 项个人设置{others}。"
        "正在处理的，处理完就删。群里看得到的消息还在，要由你自己撤回；你改过群设置的记录也还在。"
    ),
    en=(
        "Erased: texts of yours {texts}, answers of mine to them {answers}, ratings {ratings}, own settings "
        "{settings}{others}. What I am working on goes as soon as it is done. Messages that stand in the room are "
        "yours to take back, and the record of room settings that you changed stays."
    ),
)
OTHER = Text(zh="、{what} {count} 项", en=", {what} {count}")


class Forgetting:
    def __init__(self, store: Store, retention: Retention) -> None:
        self._store = store
        self._retention = retention
        self.command = Command(
            "forget",
            ABOUT,
            self.run,
            arguments=(Argument("who", ARGUMENT, choices=("me",), synonyms={"我": "me"}),),
            aliases=("忘记", "忘掉"),
        )

    async def run(self, call: Call) -> Done:
        """Erases at once rather than with the decision: only then are the numbers known that the answer tells, and
        a second time does no harm."""
        erased = await self._store.write(self._retention.erase_member(call.member))
        others = "".join(
            OTHER.in_language(call.language, what=what.in_language(call.language), count=count)
            for what, count in erased.others
        )
        said = ERASED.in_language(
            call.language,
            texts=erased.texts,
            answers=erased.answers,
            ratings=erased.ratings,
            settings=erased.settings,
            others=others,
        )
        return Done(said, reason=Reason.ERASED, details={"texts": erased.texts, "answers": erased.answers})
