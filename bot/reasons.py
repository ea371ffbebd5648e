"""Why it spoke, or did not: the sentence of each reason, outcome and delivery state, in zh and en.

``/why``, the console and ``maodou doctor`` read decisions back with these. The tables are complete; a test
holds them so.
"""

from __future__ import annotations

from collections.abc import Mapping

from bot.decision import Outcome, Reason
from bot.delivery import DeliveryState
from bot.texts import Text

OUTCOMES: Mapping[Outcome, Text] = {
    Outcome.ANSWERED: Text(zh="回答了", en="Answered"),
    Outcome.ASKED_BACK: Text(zh="反问了", en="Asked back"),
    Outcome.NOTHING_FOUND: Text(zh="没有找到", en="Found nothing"),
    Outcome.DONE: Text(zh="办了", en="Done"),
    Outcome.SILENT: Text(zh="没有说话", en="Stayed silent"),
    Outcome.REFUSED: Text(zh="拒绝了", en="Refused"),
    Outcome.FAILED: Text(zh="失败了", en="Failed"),
}

REASONS: Mapping[Reason, Text] = {
    # answered
    Reason.FROM_DOCUMENTS: Text(zh="文档里有能回答它的内容。", en="The documents hold what answers it."),
    Reason.ABOUT_ITSELF: Text(
        zh="这是在问我自己，不用查文档。", en="It was about myself, for which no document is needed."
    ),
    # asked back
    Reason.UNCLEAR: Text(zh="问得不够清楚，不知道该查什么。", en="It was not clear enough to know what to look up."),
    # nothing found
    Reason.NOT_IN_DOCUMENTS: Text(zh="这里能读的文档没有讲到它。", en="The documents of this room do not speak of it."),
    Reason.NO_DOCUMENTS: Text(zh="这里还没有可以读的文档。", en="There are no documents to read in this room yet."),
    # done
    Reason.COMMAND: Text(zh="这是一个命令，已经执行。", en="It was a command, and was carried out."),
    Reason.NOTED: Text(zh="记下了，不需要回答。", en="It was noted and needed no answer."),
    Reason.GREETED: Text(zh="刚被拉进来，做了自我介绍。", en="I was added here and introduced myself."),
    Reason.ERASED: Text(zh="按要求删除了保存的内容。", en="What was kept was erased, as asked."),
    Reason.LATE_WORD: Text(
        zh="中断过一阵，为错过的消息统一说了一句。", en="After an outage, one word for all messages that were missed."
    ),
    # silent
    Reason.NOT_ADDRESSED: Text(
        zh="没有人叫我，而这里设置为没人叫我就不说话。", en="Nobody addressed me, and here I do not speak unasked."
    ),
    Reason.NOT_A_QUESTION: Text(zh="没有人叫我，而且它不是提问。", en="Nobody addressed me, and it was no question."),
    Reason.OFF_TOPIC: Text(
        zh="没有人叫我，而且它与文档无关。", en="Nobody addressed me, and it is not what the documents are about."
    ),
    Reason.UNSURE: Text(
        zh="没有人叫我，而我没有足够的把握答对。", en="Nobody addressed me, and I was not sure enough to be right."
    ),
    Reason.EMPTY: Text(zh="里面没有可以读的内容。", en="There was nothing in it to read."),
    Reason.FROM_BOT: Text(zh="它是机器人发的。", en="It came from a bot."),
    Reason.MUTED: Text(zh="我在这里被静音了。", en="I was muted here."),
    Reason.STALE: Text(zh="看到它时已经过了太久。", en="It was too old when I came to it."),
    Reason.BUSY: Text(
        zh="这里排队的消息太多，跳过了没有叫我的。",
        en="Too many messages were waiting here; I passed over those not to me.",
    ),
    Reason.STOPPED: Text(zh="有人用 /stop 停下了我。", en="Somebody stopped me with /stop."),
    Reason.RECALLED: Text(zh="它被撤回了。", en="It was taken back."),
    Reason.SUPERSEDED: Text(zh="它被改过，以改后的为准。", en="It was edited; the newer text counts."),
    Reason.PERSON_ANSWERED: Text(zh="已经有人回答了。", en="A person had answered already."),
    Reason.HOURLY_LIMIT: Text(
        zh="没有人叫我，而这一小时我主动说话的次数用完了。",
        en="Nobody addressed me, and I had spoken unasked as often as I may in an hour.",
    ),
    Reason.ALREADY_GREETED: Text(
        zh="在这里已经自我介绍过，或者设置为不介绍。", en="I had introduced myself here before, or am set not to."
    ),
    Reason.NOT_HEARD: Text(zh="没有听出这条语音说了什么。", en="I could not make out the voice message."),
    # refused
    Reason.NOT_ALLOWED: Text(zh="提出它的人没有这个权限。", en="Whoever asked for it may not do it."),
    Reason.UNKNOWN_COMMAND: Text(zh="没有这个命令。", en="There is no such command."),
    Reason.BAD_ARGUMENTS: Text(zh="命令后面写的东西不对。", en="What stood after the command was not right."),
    Reason.NO_EAR: Text(zh="这里没有能听语音的模型。", en="There is no model here that could hear voice messages."),
    Reason.TOO_BUSY: Text(
        zh="这里排队的消息太多，请过一会儿再问。", en="Too many messages were waiting here; please ask again later."
    ),
    Reason.SCREENED: Text(zh="回答里有不能在这里出现的内容。", en="The answer held what must not be shown here."),
    # failed
    Reason.TIMEOUT: Text(zh="没有在时限内做完。", en="It was not done within the time limit."),
    Reason.ERROR: Text(zh="出了错，日志里有详情。", en="Something went wrong; the log has the details."),
}

STATES: Mapping[DeliveryState, Text] = {
    DeliveryState.PLANNED: Text(zh="等待发送", en="waiting to be sent"),
    DeliveryState.OPEN: Text(zh="正在写", en="being written"),
    DeliveryState.SENT: Text(zh="已发出", en="sent"),
    DeliveryState.UNCERTAIN: Text(
        zh="不确定是否发出（没有重发，以免重复）", en="uncertain whether sent (not repeated, to avoid a second one)"
    ),
    DeliveryState.UNDELIVERABLE: Text(zh="无法送达", en="could not be delivered"),
    DeliveryState.CANCELLED: Text(zh="已取消", en="cancelled"),
}


def sentence(reason: Reason, language: str) -> str:
    """The reason as one sentence."""
    return REASONS[reason].in_language(language)


def headline(outcome: Outcome, reason: Reason, language: str) -> str:
    """“Stayed silent: nobody addressed me …”: a decision in one line."""
    colon = "：" if language == "zh" else ": "
    return f"{OUTCOMES[outcome].in_language(language)}{colon}{sentence(reason, language)}"
