"""What members read from the adapter itself."""

from __future__ import annotations

from bot.texts import Text

NOT_KEPT = Text(
    zh="现在存不下新的请求，请过一会儿再试。",
    en="I cannot take new requests right now. Please try again in a moment.",
)
TOO_LARGE = Text(zh="附件超过 {most} MB，我读不了。", en="The attachment is larger than {most} MB; I cannot read it.")
GONE = Text(zh="附件已经取不到了，请重新发一次。", en="The attachment can no longer be fetched. Please send it again.")
