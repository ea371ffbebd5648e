"""What ``/feed`` says."""

from __future__ import annotations

from bot.texts import Text

ABOUT = Text(zh="订阅：这里读哪些网站的新内容", en="feeds: which sites' news is read here")
ADD_ABOUT = Text(zh="订阅一个网页、网站或订阅源", en="subscribe to a page, a site or a feed")
LIST_ABOUT = Text(zh="这里订阅了什么，下一次什么时候推送", en="what is read here, and when the next digest comes")
REMOVE_ABOUT = Text(zh="退订", en="end a subscription")
PAUSE_ABOUT = Text(zh="暂停一个订阅", en="pause a subscription")
RESUME_ABOUT = Text(zh="恢复一个暂停的订阅", en="go on with a paused subscription")
TEST_ABOUT = Text(zh="现在去读一次，看看有什么、会推送什么", en="read it now: what is there, and what would be told")
RULES_ABOUT = Text(zh="只要或不要含某些词的内容", en="want, or do not want, entries with certain words")
INTERVAL_ABOUT = Text(zh="多久去读一次", en="how often it is read")
IMPORT_ABOUT = Text(zh="导入订阅列表：OPML 文件，或者一串网址", en="take in a list: an OPML file, or addresses")
EXPORT_ABOUT = Text(zh="导出这里的订阅（OPML）", en="give out this room's feeds (OPML)")
ADDRESS = Text(zh="网址", en="an address")
FEED = Text(zh="编号、网址或标题的一部分", en="its number, its address, or a part of its title")
PAGE = Text(zh="第几页", en="which page")
FEED_OR_ADDRESS = Text(zh="编号、网址或标题的一部分；没订阅的网址也行", en="its number or title, or any address")
RULES = Text(
    zh="如 `+芯片 -广告 -/^赞助.*/`；clear 清空；不写就看现在的",
    en="such as `+chips -advert -/^sponsored.*/`; clear for none; left out: show them",
)
INTERVAL = Text(zh="如 30m、6h；default 表示默认", en="such as 30m, 6h; default for the default")
OPML = Text(zh="OPML 文字，或者一行一个网址；也可以附上文件", en="OPML text, or an address a line; or attach a file")

ADDED = Text(
    zh="订阅了 **{title}**（{address}），大约{every}读一次。最近的内容不会推送，它们是：",
    en="Subscribed to **{title}** ({address}); it is read about every {every}. What is there now is not sent; it is:",
)
ADDED_EMPTY = Text(
    zh="订阅了 **{title}**（{address}），大约{every}读一次。那里现在还没有内容。",
    en="Subscribed to **{title}** ({address}); it is read about every {every}. There is nothing in it yet.",
)
NEXT = Text(zh="新内容在下一次推送时来：{at}。", en="What is new comes with the next digest: {at}.")
NEVER = Text(
    zh="这里现在不推送（`/settings digest_at` 可以改）。", en="No digest comes here now (`/settings digest_at`)."
)
EXPLICIT = Text(
    zh="⚠ 这个来源自称是成人内容，会先过过滤。", en="⚠ The source calls itself adult; the filter looks first."
)
ALREADY = Text(zh="这里已经订阅了 **{title}**。", en="**{title}** is read here already.")
NOT_FOUND = Text(zh="没有找到订阅源：{why}。", en="I found no feed there: {why}.")
FULL = Text(
    zh="这里最多订阅 {most} 个，先用 `/feed remove` 退订一些。",
    en="A room can read {most} feeds; end some with `/feed remove` first.",
)
NONE_HERE = Text(
    zh="这里还没有订阅。`/feed add <网址>` 订阅一个网站。", en="Nothing is read here yet. `/feed add <address>` begins."
)
LINE = Text(zh="- **{number}.** {title} — {address}{marks}", en="- **{number}.** {title} — {address}{marks}")
LIST_HEAD = Text(
    zh="这里订阅了 {count} 个，其中 {failing} 个读不到（排在最前），{paused} 个暂停着。第 {page}/{pages} 页：",
    en="{count} feeds are read here; {failing} of them cannot be read (they stand first), {paused} are paused. "
    "Page {page} of {pages}:",
)
PAGE_BEFORE = Text(zh="上一页", en="previous page")
PAGE_AFTER = Text(zh="下一页", en="next page")
NO_SUCH_PAGE = Text(zh="页数从 1 到 {pages}。", en="Pages are numbered from 1 to {pages}.")
PAUSED = Text(zh="已暂停", en="paused")
FAILING = Text(zh="连续 {failures} 次读不到：{why}", en="not readable {failures} times in a row: {why}")
NOT_YET = Text(zh="还没读过", en="not read yet")
RULED = Text(zh="规则 {rules}", en="rules {rules}")
EVERY = Text(zh="每 {every}", en="every {every}")
TIMES = Text(
    zh="推送时间：{times}（{zone}），安静时段：{quiet}。"
    "协管员可以用 `/settings digest_at`、`time_zone`、`quiet_hours` 修改。",
    en="Digests at {times} ({zone}), quiet hours: {quiet}. A moderator changes them with `/settings digest_at`, "
    "`time_zone` and `quiet_hours`.",
)
NO_SUCH = Text(
    zh="这里没有订阅“{typed}”。`/feed list` 列出有哪些。", en="“{typed}” is not read here. See `/feed list`."
)
SEVERAL = Text(zh="“{typed}”有好几个：{names}。请用编号。", en="“{typed}” is several: {names}. Say the number.")
NOT_YOURS = Text(
    zh="只有订阅它的成员和协管员能改这个订阅。",
    en="Only the member who added this feed, or a moderator, can change it.",
)
ADDING_IS_FOR = Text(zh="这里只有{who}能订阅。", en="Adding feeds here is for: {who}.")
REMOVED = Text(zh="退订了 **{title}**。", en="**{title}** is no longer read here.")
PAUSE_DONE = Text(
    zh="暂停了 **{title}**；暂停期间的内容之后也不补发。",
    en="**{title}** is paused; what appears meanwhile is not sent.",
)
RESUME_DONE = Text(
    zh="恢复了 **{title}**，从现在起的新内容会推送。", en="**{title}** goes on, with what is new from now."
)
SAME = Text(zh="**{title}** 本来就是这样。", en="**{title}** was so already.")
INTERVAL_DONE = Text(zh="**{title}**：大约{every}读一次。", en="**{title}** is read about every {every}.")
INTERVAL_BAD = Text(zh="间隔要在 {least} 到 {most} 之间。", en="An interval is from {least} to {most}.")
RULES_NONE = Text(zh="**{title}** 没有规则，全部都要。", en="**{title}** has no rules: everything is wanted.")
RULES_ARE = Text(zh="**{title}** 的规则：{rules}", en="Rules of **{title}**: {rules}")
RULES_SAVED = Text(zh="保存了 **{title}** 的规则：{rules}", en="Rules of **{title}** are saved: {rules}")
RULES_TRIED = Text(
    zh="用在最近 {count} 条上：留下 {kept} 条。", en="Tried on the last {count} entries: {kept} would be kept."
)
RULE_BAD = Text(zh="规则“{rule}”读不懂：{why}", en="The rule “{rule}” cannot be read: {why}")
RULE_EMPTY = Text(zh="空的或太长", en="empty or too long")
RULE_WORD = Text(zh="{sign} 后面要紧跟一个词", en="a word must follow the {sign}")
RULE_SIGN = Text(zh="规则要以 + 或 - 开头", en="a rule begins with + or -")
RULES_MANY = Text(zh="最多 {most} 条要的、{most} 条不要的规则。", en="There can be {most} rules of each kind.")
KEPT_MARK = Text(zh="✓", en="✓")
STOPPED_MARK = Text(zh="✗（{rule}）", en="✗ ({rule})")
TEST_HEAD = Text(
    zh="**{title}**（{address}）现在能读，有 {count} 条：", en="**{title}** ({address}) can be read; {count} entries:"
)
IMPORTED = Text(
    zh="导入了 {added} 个订阅，{known} 个本来就有，{bad} 个网址不能用，{left} 个放不下。"
    "它们会在 {within} 内第一次去读，旧内容不推送。",
    en="Took in {added} feeds; {known} were here already, {bad} had no usable address, {left} found no room. They are "
    "read for the first time within {within}, and nothing old is sent.",
)
IMPORT_EMPTY = Text(
    zh="里面没有订阅。给我 OPML 文字、一行一个的网址，或者附上 OPML 文件。",
    en="There is no feed in it. Give me OPML text, an address a line, or attach an OPML file.",
)
IMPORT_LARGE = Text(zh="列表太大，最多 {most} KiB。", en="The list is too large; {most} KiB at most.")
NOT_FETCHED = Text(zh="附件取不下来，请再发一次。", en="The attachment could not be fetched; send it again, please.")
EXPORT_TITLE = Text(zh="毛豆的订阅", en="Feeds of Maodou")
HIDDEN = Text(zh="（被过滤隐藏）", en="(hidden by the filter)")
UNTITLED = Text(zh="（无标题）", en="(untitled)")
