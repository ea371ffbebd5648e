"""What the pages of the web room say, in both languages. The script gets ``page_texts`` as they are named here."""

from __future__ import annotations

from bot.texts import Text

ROOM_NAME = Text(zh="毛豆聊天室", en="Maodou's room")
BOT_NAME = Text(zh="毛豆", en="Maodou")

# what a member is told when something could not be done
NOT_KEPT = Text(
    zh="现在存不下消息（数据库写不进去），这条还没有发出去，文字给您留在输入框里了。请稍后再发一次。",
    en="The message could not be stored just now, so it was not sent. Your text is still in the box: please try again.",
)
NOT_DONE = Text(
    zh="现在存不下东西（数据库写不进去），请稍后再试。",
    en="Nothing can be stored just now: please try again in a moment.",
)
TOO_LONG = Text(
    zh="一条消息最多 {most} 个字符，这条有 {length} 个。",
    en="A message has at most {most} characters; this has {length}.",
)
TOO_FAST = Text(zh="您发得太快了，请过一会儿再发。", en="That was a lot in a short time: please wait a moment.")
TOO_MANY_FILES = Text(zh="一条消息最多带 {most} 个文件。", en="A message takes at most {most} files.")
FILE_TOO_BIG = Text(
    zh="「{name}」太大了，一个文件最多 {most} MB。", en="“{name}” is too big: a file has at most {most} MB."
)
FILE_LOST = Text(zh="「{name}」没有传上来，请再选一次。", en="“{name}” did not arrive: please choose it again.")
NOT_YOURS = Text(zh="只能修改或撤回自己的消息。", en="Only your own messages can be changed or taken back.")
GONE = Text(zh="这条消息已经不在了。", en="That message is gone.")
NOT_A_MEMBER = Text(zh="请先起个名字加入聊天室。", en="Please join the room with a name first.")
MODERATORS_ONLY = Text(zh="只有管理人员能看这个。", en="Only moderators can see this.")
NOT_HERE = Text(zh="这里没有这个。", en="There is nothing like that here.")

# joining
JOIN_TITLE = Text(zh="加入聊天室", en="Join the room")
JOIN_AS = Text(zh="大家怎么称呼您？", en="What shall we call you?")
JOIN_PASSWORD = Text(zh="聊天室密码", en="The room's password")
JOIN_BUTTON = Text(zh="进入", en="Enter")
JOIN_NOTE = Text(
    zh="毛豆根据社区文档回答问题，不相关的闲聊不会插嘴。消息会保存在运行它的这台机器上。",
    en="Maodou answers from the community's documents and keeps out of small talk. "
    "Messages are kept on the machine that runs it.",
)
RENAME_TITLE = Text(zh="改名", en="Change your name")
RENAME_BUTTON = Text(zh="改好了", en="Change it")
WRONG_PASSWORD = Text(zh="密码不对。", en="That is not the password.")
TOO_MANY_WRONG = Text(
    zh="错的次数太多了，请过一分钟再试。", en="Too many wrong passwords: please try again in a minute."
)
LINK_SPENT = Text(
    zh="这个链接已经用过或过期了。重启毛豆会给出一个新的。",
    en="This link was used before, or is too old. Restarting Maodou gives a new one.",
)
OPERATORS_ONLY = Text(
    zh="控制台只对运营者开放：请打开毛豆启动时打印的一次性链接。",
    en="The console is the operator's: open the one-time link that Maodou printed when it started.",
)
TO_ROOM = Text(zh="去聊天室", en="To the room")

_PAGE = {
    "botName": BOT_NAME,
    "placeholder": Text(zh="说点什么，@毛豆 提问", en="Message, or ask @maodou"),
    "you": Text(zh="您", en="you"),
    "present": Text(zh="{n} 人在线", en="{n} here"),
    "reply": Text(zh="回复", en="Reply"),
    "replying": Text(zh="回复 {name}", en="Replying to {name}"),
    "edit": Text(zh="修改", en="Edit"),
    "editing": Text(zh="正在修改", en="Editing"),
    "recall": Text(zh="撤回", en="Take back"),
    "recallSure": Text(zh="撤回这条消息？", en="Take this message back?"),
    "recalled": Text(zh="{name} 撤回了一条消息", en="{name} took a message back"),
    "edited": Text(zh="已修改", en="edited"),
    "why": Text(zh="为什么？", en="why?"),
    "good": Text(zh="有用", en="Helpful"),
    "bad": Text(zh="没用", en="Not helpful"),
    "copy": Text(zh="复制", en="Copy"),
    "copied": Text(zh="已复制", en="Copied"),
    "sources": Text(zh="来源", en="Sources"),
    "thinking": Text(zh="毛豆在想", en="Maodou is thinking"),
    "voice": Text(zh="{name} 的语音消息", en="Voice message from {name}"),
    "quotedVoice": Text(zh="语音消息", en="Voice message"),
    "older": Text(zh="更早的消息", en="Earlier messages"),
    "fresh": Text(zh="新消息", en="New messages"),
    "gone": Text(zh="原消息不在了", en="The message is gone"),
    "empty": Text(
        zh="还没有人说话。打个招呼，或者 @毛豆 问个问题。", en="Nobody has spoken yet. Say hello, or ask @maodou."
    ),
    "lost": Text(zh="连接断了，正在重连…", en="The connection is lost, trying again…"),
    "rename": Text(zh="改名", en="Change name"),
    "console": Text(zh="控制台", en="Console"),
    "close": Text(zh="关闭", en="Close"),
    "cancel": Text(zh="取消", en="Cancel"),
    "today": Text(zh="今天", en="Today"),
    "yesterday": Text(zh="昨天", en="Yesterday"),
    "bot": Text(zh="机器人", en="bot"),
    "failed": Text(zh="没有做成，请再试一次。", en="That did not work: please try again."),
    "recording": Text(zh="正在录音", en="Recording"),
    "stopSends": Text(zh="点 ■ 就发出去", en="■ sends it"),
    "stopAdds": Text(zh="点 ■ 就加到这条消息里", en="■ adds it to your message"),
    "drop": Text(zh="不要了", en="Discard it"),
    "noMicrophone": Text(
        zh="用不了麦克风：请在浏览器里允许它；不在本机打开时，还需要 https。",
        en="The microphone cannot be used: allow it in the browser; away from this machine it needs https, too.",
    ),
}

# What Gradio calls the parts of its box, in every language; screen readers say it, and we show it where one points
_LABELS = {
    "Multimedia input field": Text(zh="写消息", en="Write a message"),
    "Upload a file": Text(zh="添加文件", en="Add a file"),
    "Click to upload or drop files": Text(zh="点击或拖入文件", en="Click, or drop files here"),
    "File upload": Text(zh="选择文件", en="Choose files"),
    "Record audio": Text(zh="录一条语音", en="Record a voice message"),
    "Select input device": Text(zh="选择麦克风", en="Choose a microphone"),
    "Start recording": Text(zh="开始录音", en="Begin to record"),
    "Stop recording": Text(zh="说完了", en="Stop the recording"),
    "Play": Text(zh="播放", en="Play it"),
    "Pause": Text(zh="暂停", en="Pause it"),
    "Attach audio": Text(zh="加到消息里", en="Add it to the message"),
    "Clear audio": Text(zh="不要了", en="Discard it"),
    "Uploaded files": Text(zh="要发送的文件", en="Files to be sent"),
    "Uploading": Text(zh="正在上传", en="Being uploaded"),
    "File thumbnail": Text(zh="文件", en="A file"),
    "Remove file": Text(zh="去掉这个文件", en="Take this file out"),
    "Submit": Text(zh="发送", en="Send"),
}


def page_texts(language: str) -> dict[str, str]:
    """The page's words; ``{n}`` and ``{name}`` are filled by the script."""
    return {name: text.in_language(language) for name, text in _PAGE.items()}


def box_labels(language: str) -> dict[str, str]:
    """What the parts of the box are called, by Gradio's own labels."""
    return {label: text.in_language(language) for label, text in _LABELS.items()}
