"""What the small recogniser of the tests can hear: questions that this project's own documents answer.

A sentence is a row of words; ``WORDS`` gives each one's pronunciation for espeak-ng, because its Mandarin reads most
characters as English letters: pinyin for the voice ``cmn-latn-pinyin``, respelled where the English voices need it.
"""

from __future__ import annotations

import io
import subprocess
import wave
from dataclasses import dataclass
from functools import cache
from itertools import product

import numpy as np
from numpy.typing import NDArray

ESPEAK_HZ = 22_050

PINYIN = {
    "怎么": "zen3me5", "毛豆": "mao2dou4", "是": "shi4", "什么": "shen2me5", "安装": "an1zhuang1",
    "启动": "qi3dong4", "添加": "tian1jia1", "删除": "shan1chu2", "文档": "wen2dang4", "让": "rang4", "它": "ta1",
    "停下": "ting2xia4", "安静": "an1jing4", "一段": "yi2duan4", "时间": "shi2jian1", "换": "huan4",
    "语言": "yu3yan2", "升级": "sheng1ji2", "到": "dao4", "新版本": "xin1ban3ben3", "跑": "pao3", "测试": "ce4shi4",
    "支持": "zhi1chi2", "哪些": "na3xie1", "文件": "wen2jian4", "格式": "ge2shi4", "导入": "dao3ru4",
    "改": "gai3", "端口": "duan1kou3", "数据": "shu4ju4", "存在": "cun2zai4", "哪里": "na3li3", "日志": "ri4zhi4",
    "在": "zai4", "密钥": "mi4yao4", "放在": "fang4zai4", "接入": "jie1ru4", "飞书": "fei1shu1", "谁能": "shei2neng2",
    "打开": "da3kai1", "关闭": "guan1bi4", "过滤": "guo4lv4", "评价": "ping2jia4", "回答": "hui2da2",
    "大模型": "da4mo2xing2",
    "会": "hui4", "编造": "bian1zao4", "答案": "da2an4", "吗": "ma5", "更新": "geng1xin1", "以后": "yi3hou4",
    "怎么办": "zen3me5ban4", "静音": "jing4yin1",
}  # fmt: skip
ENGLISH_WORDS = """
how do i install start stop mute add remove documents change the language port what is bot which file formats does it
read upgrade to a new version run tests connect keep erase said accurate filter rate an answer discord
"""
ENGLISH = {"maodou": "mow dough", "feishu": "fay shoe", **{word: word for word in ENGLISH_WORDS.split()}}
WORDS = {**PINYIN, **ENGLISH}

CHINESE_QUESTIONS = tuple(
    line.strip()
    for line in """
    毛豆 是 什么
    怎么 安装 毛豆
    怎么 启动 毛豆
    怎么 添加 文档
    怎么 删除 文档
    怎么 让 毛豆 停下
    怎么 让 它 安静 一段 时间
    怎么 换 语言
    怎么 升级 到 新版本
    怎么 跑 测试
    支持 哪些 文件 格式
    怎么 导入 文档
    怎么 改 端口
    数据 存在 哪里
    日志 在 哪里
    密钥 放在 哪里
    怎么 接入 飞书
    谁能 打开 过滤
    谁能 关闭 过滤
    怎么 评价 回答
    大模型 会 编造 答案 吗
    文档 更新 以后 怎么办
    怎么 静音
    """.strip().splitlines()
)
ENGLISH_QUESTIONS = tuple(
    line.strip()
    for line in """
    what is maodou
    how do i install maodou
    how do i start maodou
    how do i stop the bot
    how do i mute the bot
    how do i add documents
    how do i remove documents
    how do i change the language
    how do i change the port
    which file formats does it read
    how do i upgrade to a new version
    how do i run the tests
    how do i connect feishu
    how do i connect discord
    what does maodou keep
    how do i erase what i said
    how accurate is the filter
    how do i rate an answer
    """.strip().splitlines()
)
QUESTIONS = (*CHINESE_QUESTIONS, *ENGLISH_QUESTIONS)

UNSEEN_PHRASINGS = (
    "毛豆 怎么 安装",
    "文档 怎么 添加",
    "怎么 更新 文档",
    "测试 怎么 跑",
    "怎么 改 语言",
    "飞书 怎么 接入",
    "新版本 怎么 升级",
    "怎么 删除 文件",
    "怎么 让 它 停下",
    "怎么 关闭 过滤",
    "how do i start the bot",
    "how do i install the bot",
    "how do i stop maodou",
    "how do i remove the documents",
    "how do i change the filter",
    "how do i add a new language",
)
"""Never trained on, though each word is: new sentences of known words."""

UNSEEN_VOICES = ("m3", "f4", "Andrea", "Jacky", "edward2", "linda", "Mike", "steph2", "Gene", "max", "klatt4", "anika")
"""Never trained on."""
VOICES = (
    "m1", "m2", "m4", "m5", "m6", "m7", "m8", "f1", "f2", "f3", "f5", "adam", "Alex", "Alicia", "Andy", "Annie",
    "antonio", "aunty", "belinda", "benjamin", "boris", "caleb", "david", "Denis", "Diogo", "ed", "edward", "Gene2",
    "gustave", "announcer", "Henrique", "Hugo", "iven", "iven2", "john", "kaukovalta", "Lee", "marcelo", "Marco",
    "Mario", "Michael", "michel", "miguel", "Nguyen", "pablo", "paul", "pedro", "quincy", "rob", "robert", "steph",
    "steph3", "zac", "grandpa", "klatt", "klatt2", "klatt3", "norbert", "sandro", "shelby", "travis", "victor",
    "grandma",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Speaker:
    """``variant``: one of espeak-ng's; ``accent``: of its English. ``words_per_min`` 80–450, ``pitch`` 0–99."""

    variant: str = "m1"
    words_per_min: int = 160
    pitch: int = 50
    accent: str = "en-us"


def written(sentence: str) -> str:
    """The sentence as the recogniser writes it: Chinese without spaces, English with them."""
    words = sentence.split()
    return " ".join(words) if words[0] in ENGLISH else "".join(words)


def speak(sentence: str, speaker: Speaker = Speaker()) -> NDArray[np.float32]:
    """The sentence spoken by espeak-ng: float32 mono at ``ESPEAK_HZ``, within ±1."""
    words = sentence.split()
    english = words[0] in ENGLISH
    voice = speaker.accent if english else "cmn-latn-pinyin"
    return espeak(" ".join(WORDS[word] for word in words), f"{voice}+{speaker.variant}", speaker)


def espeak(text: str, voice: str, speaker: Speaker) -> NDArray[np.float32]:
    """Any text in any of espeak-ng's voices."""
    done = subprocess.run(
        ["espeak-ng", "-v", voice, "-s", str(speaker.words_per_min), "-p", str(speaker.pitch), "--stdout", text],
        capture_output=True,
        check=True,
    )
    with wave.open(io.BytesIO(done.stdout)) as spoken:
        # espeak writes its header before it knows the length
        samples = np.frombuffer(spoken.readframes(1 << 30), np.int16)
    return samples.astype(np.float32) / 32768


@cache
def combinations() -> tuple[str, ...]:
    """Further sentences of the same words, so that none is known only in its usual company."""
    verbs = ("安装", "启动", "添加", "删除", "换", "升级", "跑", "改", "导入", "接入", "打开", "关闭", "评价", "更新")
    things = ("毛豆", "文档", "语言", "测试", "端口", "飞书", "过滤", "回答", "数据", "日志", "密钥", "大模型", "文件")
    does = ("install", "start", "stop", "mute", "add", "remove", "change", "upgrade", "run", "connect", "erase", "rate")
    objects = ("maodou", "the bot", "documents", "the language", "the port", "feishu", "discord", "the tests",
               "the filter", "an answer", "a new version", "the file formats")  # fmt: skip
    made = [f"怎么 {verb} {thing}" for verb, thing in product(verbs, things)]
    made += [f"{thing} 怎么 {verb}" for verb, thing in product(verbs, things)]
    made += [f"{thing} 在 哪里" for thing in things] + [f"{thing} 放在 哪里" for thing in things]
    made += [f"{thing} 是 什么" for thing in things] + [f"怎么 让 {thing} 安静" for thing in things]
    made += [f"how do i {do} {thing}" for do, thing in product(does, objects)]
    made += [f"what is {thing}" for thing in objects] + [f"which {thing} does it keep" for thing in objects]
    known = {*QUESTIONS, *UNSEEN_PHRASINGS}
    return tuple(dict.fromkeys(each for each in made if each not in known))
