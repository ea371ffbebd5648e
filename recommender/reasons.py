"""Why a feed could not be read, as members are told."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import urlsplit

from bot.commands import both
from bot.room_settings import one_line
from bot.texts import Text
from net.failures import Failure
from recommender.parsing import Unreadable

MAX_HOST_CHARS = 120
UNKNOWN = Text(zh="出了没料到的错", en="something unforeseen went wrong")

WORDS: Mapping[str, Text] = {
    Failure.BAD_ADDRESS: Text(zh="这不是 http(s) 网址", en="it is no http(s) address"),
    Failure.INWARD: Text(zh="这个网址指向内网，不会去读", en="the address leads into a private network"),
    Failure.NO_SUCH_HOST: Text(zh="没有这个网站", en="there is no such host"),
    Failure.UNREACHABLE: Text(zh="连不上", en="it cannot be reached"),
    Failure.TLS: Text(zh="它的证书有问题", en="its certificate is not valid"),
    Failure.TIMEOUT: Text(zh="太慢，没有等到", en="it took too long"),
    Failure.TOO_LARGE: Text(zh="内容太大", en="it is too large"),
    Failure.TOO_MANY_REDIRECTS: Text(zh="一直在跳转", en="it redirects without end"),
    Failure.BAD_ANSWER: Text(zh="回答不是正常的 HTTP", en="its answer is no proper HTTP"),
    Failure.FORBIDDEN: Text(zh="对方不让读（403 之类）", en="it does not let us read it (403 or the like)"),
    Failure.NOT_FOUND: Text(zh="那里什么都没有（404）", en="there is nothing there (404)"),
    Failure.GONE: Text(zh="对方说已经永久撤掉（410）", en="it says that it is gone for good (410)"),
    Failure.TOO_MANY_REQUESTS: Text(zh="对方嫌我们来得太勤（429）", en="it finds that we come too often (429)"),
    Failure.SERVER_ERROR: Text(zh="对方服务器出错（5xx）", en="its server has an error (5xx)"),
    Failure.STATUS: Text(zh="对方回答了一个不认识的状态", en="it answered with a status of its own"),
    Unreadable.NOT_A_FEED: Text(zh="那不是订阅源", en="it is no feed"),
    Unreadable.DAMAGED: Text(zh="内容坏了，读不出来", en="it is damaged beyond reading"),
    Unreadable.COSTLY: Text(zh="读起来太费时间或内存", en="reading it takes too much time or memory"),
}


ALLOWED_BY = Text(
    zh="{what}；自己的 RSSHub 要由运营者在 config.yaml 里写上 `{line}`，然后重新启动",
    en="{what}; for one's own RSSHub an operator writes `{line}` in config.yaml and restarts the bot",
)


def why(reason: str, address: str) -> Text:
    """What kept the feed at ``address`` from being read; for a private one, the line that would allow its host."""
    word = WORDS.get(reason, UNKNOWN)
    host = one_line(urlsplit(address).netloc.rpartition("@")[2], MAX_HOST_CHARS) if reason == Failure.INWARD else ""
    if not host:
        return word
    return both(ALLOWED_BY, what=word, line=f'feeds: {{fetch: {{allow_hosts: ["{host}"]}}}}')


def in_words(reason: str, language: str, address: str) -> str:
    return why(reason, address).in_language(language)
