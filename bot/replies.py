"""What it says when it does not answer from documents, in both languages: short, with what to do next."""

from __future__ import annotations

from collections.abc import Sequence

from bot.decision import Reason
from bot.ports import Citation
from bot.texts import Text

LATE_WORD = Text(
    zh="我刚才离开了一会儿，错过了一些消息。还需要回答的话，请再 @ 我一次。",
    en="I was away for a while and missed some messages. If you still need an answer, please mention me again.",
)
BUSY = Text(
    zh="这里的问题太多，我一时答不过来，请稍后再问。",
    en="There are more questions here than I can answer at once. Please ask again in a moment.",
)
ASK_BACK = Text(
    zh="我没有完全明白你想问什么。能说得具体一点吗？比如用的是什么、做了什么、看到了什么报错。",
    en="I am not sure what you are asking. Could you say more – what you use, what you did, what error you saw?",
)
GREETING_BACK = Text(
    zh="我在。请直接问，我会从文档里找答案；`/help` 列出我能做的事。",
    en="I am here. Just ask, and I will look in the documents; `/help` lists what I can do.",
)
NO_EAR = Text(
    zh="我还不会听语音，请把问题打成文字。",
    en="I cannot hear voice messages yet. Please type your question.",
)
EAR_FAILED = Text(
    zh="抱歉，我听语音的部分出了点问题。请打字告诉我，或者过一会儿再发一次。",
    en="Sorry, the part of me that hears voice messages has failed. Please type it, or send it again later.",
)
NOT_FETCHED = Text(
    zh="抱歉，这条语音没能下载下来。请打字告诉我，或者再发一次。",
    en="Sorry, I could not download this voice message. Please type it, or send it again.",
)
VOICE_NOTE = Text(
    zh=(
        "这里第一次有语音发给我：我{how}，声音{kept}，文字和别的消息一样保存。听错了就说 `/voice correct 正确的文字`；"
        "不想被听到，就不要对我发语音。"
    ),
    en=(
        "This is the first voice message to me here: {how}, {kept}, and its text is kept like any message. If I "
        "misheard, say `/voice correct THE RIGHT WORDS`; whoever does not want to be heard sends me no voice messages."
    ),
)
HEARD_HERE = Text(zh="在自己的机器上把它转成文字", en="I turn it into text on our own machine")
HEARD_BY_SERVER = Text(
    zh="把它交给一个转写服务转成文字", en="I have it turned into text by a transcription service outside"
)
AUDIO_ERASED = Text(zh="随即删除", en="its sound is erased at once")
AUDIO_KEPT = Text(zh="会保存一段时间", en="its sound is kept for a while")
BUTTON_GONE = Text(
    zh="这个按钮已经失效了，请用命令再试一次；`/help` 列出命令。",
    en="This button no longer works. Please use the command instead; `/help` lists them.",
)
STOPPED = Text(zh="（已停止）", en="(stopped)")
CUT_SHORT = Text(zh="（没能写完，请再问一次）", en="(I could not finish; please ask again)")

NOTHING_FOUND = {
    Reason.NO_DOCUMENTS: Text(
        zh="这里还没有可以查的文档。管理员可以用 `maodou kb add 文件夹` 添加。",
        en="There are no documents here yet. An operator can add some with `maodou kb add FOLDER`.",
    ),
    Reason.NOT_IN_DOCUMENTS: Text(
        zh="文档里没有找到答案。换个说法再问一次，或者问问群里的人。",
        en="The documents hold no answer to this. Try other words, or ask the people here.",
    ),
}
APOLOGIES = {
    Reason.TIMEOUT: Text(
        zh="抱歉，这个问题花的时间太长，我停下来了。请换个简单些的说法再问一次。",
        en="Sorry, this took too long and I stopped. Please ask again in simpler words.",
    ),
    Reason.ERROR: Text(
        zh="抱歉，我这里出了点问题，没能回答。请稍后再问一次。",
        en="Sorry, something went wrong on my side. Please ask again later.",
    ),
    Reason.SCREENED: Text(
        zh="找到的内容不适合在这里显示。",
        en="What I found may not be shown in this room.",
    ),
}
SOURCES = Text(zh="来源", en="Sources")


def sources_block(citations: Sequence[Citation], language: str) -> str:
    """The list of sources under an answer, as Markdown; empty without citations."""
    if not citations:
        return ""
    lines = []
    for citation in sorted(citations, key=lambda each: each.number):
        heading = f" › {citation.heading}" if citation.heading else ""
        lines.append(f"- [{citation.number}] {citation.source}{heading}")
    return sources_head(language) + "\n".join(lines)


def sources_head(language: str) -> str:
    """How the list of sources begins."""
    return f"\n\n**{SOURCES.in_language(language)}**\n\n"
