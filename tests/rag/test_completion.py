"""Follow-ups, by rule: what leans on the question before it is completed, what people say to each other is not.

The dialogues were made up for this; half of them must not be joined. ``None``: it stands as it is. Otherwise: what the
question before becomes, with the old subject replaced where the follow-up names a new one of its kind.
"""

from __future__ import annotations

import pytest

from bot.ports import Question, Utterance
from rag.completion import completed, whole

JOINED = [
    (("怎么接入飞书？",), "那 Discord 呢？", "怎么接入Discord？"),
    (("在 Linux 上怎么编译？",), "Windows 上呢", "在 Windows 上怎么编译？"),
    (("mmdet 怎么安装",), "mmpose 呢？", "mmpose 怎么安装"),
    (("知识库支持 PDF 吗？",), "那 Word 呢？", "知识库支持 Word 吗？"),
    (("怎么把文档加到知识库里？",), "那怎么删掉呢？", "怎么把文档加到知识库里？"),
    (("怎么让它安静两小时？",), "那怎么提前解除呢", "怎么让它安静两小时？"),
    (("支持 Python 3.9 吗",), "那 3.12 呢", "支持 3.12 吗"),
    (("模型在 GPU 上要多少显存？",), "换成 CPU", "模型在 CPU 上要多少显存？"),
    (("怎么用 pip 装？", "谢谢"), "conda 也可以吗？", "怎么用 conda 装？"),
    (("语音消息能听懂吗？",), "图片呢？", "语音消息能听懂吗？"),
    (("怎么备份数据？", "我试试"), "那恢复呢？", "怎么备份数据？"),
    (("训练时报错 CUDA out of memory",), "那要怎么解决？", "训练时报错 CUDA out of memory"),
    (("怎么导出 ONNX？",), "它支持动态尺寸吗", "怎么导出 ONNX？"),
    (("管理员怎么设置？",), "如果是 Discord 上", "管理员怎么设置？"),
    (("数据存在哪里？",), "那个可以改吗？", "数据存在哪里？"),
    (("How do I install it on Linux?",), "and on Windows?", "How do I install it on Windows?"),
    (("How do I train mmdet?",), "What about mmpose?", "How do I train mmpose?"),
    (("Can it read PDF files?",), "and Word?", "Can it read Word files?"),
    (("Where is the data kept?",), "can that be changed?", "Where is the data kept?"),
    (("How do I connect Discord?", "thanks!"), "and feishu", None),
    (("How do I connect Discord?", "thanks!"), "how about Feishu?", "How do I connect Feishu?"),
    (("Does it support SQLite?",), "And PostgreSQL?", "Does it support PostgreSQL?"),
    (("Why is the bot silent?",), "does that also happen in threads?", "Why is the bot silent?"),
    (("How do I back up the database?",), "and for restoring", "How do I back up the database?"),
]
APART = [
    (("怎么接入飞书？",), "那我先下班了"),
    (("怎么接入飞书？",), "那就这样吧"),
    (("怎么安装？",), "还有我也不行"),
    (("怎么安装？",), "我还在吃饭呢"),
    (("怎么安装？",), "他忙着呢"),
    (("怎么安装？",), "人呢？"),
    (("mmdet 怎么安装？",), "那 mmpose 怎么训练？"),
    (("怎么接入飞书？",), "那明天再说吧"),
    (("知识库支持 PDF 吗？",), "这个不错"),
    (("知识库支持 PDF 吗？",), "它好可爱"),
    (("怎么备份数据？",), "那辛苦你了"),
    (("怎么备份数据？",), "上面的同学说得对"),
    (("怎么导出 ONNX？",), "那周末一起吃饭吗？"),
    (("怎么导出 ONNX？",), "这样啊"),
    (("今天好热", "是啊"), "那明天呢？"),
    (("大家好",), "图片呢？"),
    (("怎么换语言？", "我去看看", "刚开完会", "今天真冷", "下雨了"), "那雪呢？"),
    (("How do I install it?",), "so I'm going home"),
    (("How do I install it?",), "and thanks a lot"),
    (("How do I install it?",), "that is great"),
    (("How do I install it?",), "how about lunch?"),
    (("How do I install it?",), "what about you?"),
    (("How do I install it?",), "this is so cool lol"),
    (("How do I train mmdet?",), "Does this work with mmcv-full 2.0 and cuda 11.8 on a cluster of four machines?"),
    (("nice weather",), "and on Windows?"),
    (("How do I back up the database?",), "But I was there yesterday"),
]


def before(texts: tuple[str, ...]) -> tuple[Utterance, ...]:
    return tuple(Utterance("anna", text) for text in texts)


def test_there_are_enough_dialogues_and_half_stay_apart() -> None:
    assert len(JOINED) + len(APART) >= 40
    assert len(APART) >= len(JOINED)


@pytest.mark.parametrize(("earlier", "text", "becomes"), JOINED)
def test_what_leans_on_a_question_is_joined_to_it(earlier: tuple[str, ...], text: str, becomes: str | None) -> None:
    joined = completed(text, before(earlier))
    if becomes is None:
        assert joined is None, "without any mark of a question it is left alone"
    else:
        assert joined == f"{becomes}\n{text}"


@pytest.mark.parametrize(("earlier", "text"), APART)
def test_what_stands_alone_is_left_alone(earlier: tuple[str, ...], text: str) -> None:
    assert completed(text, before(earlier)) is None


def test_our_own_words_and_greetings_are_passed_over() -> None:
    earlier = (
        Utterance("anna", "怎么接入飞书？"),
        Utterance("", "用 connect。要不要看看？", ours=True),
        *before(("谢谢",)),
    )
    assert completed("那 Discord 呢？", earlier) == "怎么接入Discord？\n那 Discord 呢？"


async def test_a_question_that_stands_alone_reads_no_history() -> None:
    async def never() -> tuple[Utterance, ...]:
        raise AssertionError("the history was read")

    assert await whole(Question("那我先下班了", (), earlier=never)) == "那我先下班了"
