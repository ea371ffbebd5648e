"""Teaching material from files: pairs, conversations, scripts and documents, each as :class:`Conversation`.

A file with a broken row is refused as a whole, with every broken row named: half a data set teaches half of what was
meant, and nobody sees which half.
"""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from bot.errors import UsageError
from bot.texts import language_of
from finetune_xtuner.conversation import BrokenRow, Conversation, Exchange, messages_of

QUESTION, ANSWER, APPROVED = ("question", "问题"), ("answer", "答案"), ("approved", "批准")
YES = ("1", "y", "yes", "true", "是", "对")
SHOWN_BROKEN = 5
MAX_SCENE_EXCHANGES = 6
MAX_PIECE_CHARS = 600

_LINE = re.compile(r"^\s*([^:：「」“”\"#]{1,20})\s*[:：]\s*[「“\"](.+?)[」”\"]\s*$")
_HEADING = re.compile(r"^#{1,6}\s+(.+?)\s*#*$")


def read_pairs(path: Path) -> list[Conversation]:
    """``.csv`` with question and answer (only rows with ``approved`` said yes, where there is such a column); ``.json``
    as a list of pairs, a mapping, or conversations; ``.jsonl`` with one of them a line.

    Raises ``UsageError`` where the file cannot be read, ``BrokenRow`` with the rows that are wrong.
    """
    text = _text(path)
    if path.suffix == ".csv":
        return _whole(path, _of_csv(text, path))
    if path.suffix == ".jsonl":
        lines = [(number, line) for number, line in enumerate(text.splitlines(), start=1) if line.strip()]
        return _whole(path, (_of_line(line, f"{path}, line {number}") for number, line in lines))
    if path.suffix != ".json":
        raise UsageError(f"{path}: pairs are .csv, .json or .jsonl.")
    try:
        value = json.loads(text)
    except ValueError as error:
        raise UsageError(f"{path} is not JSON: {error}.") from error
    if isinstance(value, dict):
        value = [{"question": question, "answer": answer} for question, answer in value.items()]
    if not isinstance(value, list):
        raise UsageError(f"{path}: here must stand a list of pairs or of conversations.")
    return _whole(path, (_of_entry(entry, f"{path}, row {number}") for number, entry in enumerate(value, start=1)))


def read_script(path: Path, role: str = "") -> list[Conversation]:
    """Lines as ``角色:「台词」``; an empty line or a heading ends a scene. ``role``: whose lines are learnt; without it
    everybody's, and each reply is told by the system prompt whose it is."""
    scenes: list[list[Exchange]] = [[]]
    broken = []
    for number, line in enumerate(_text(path).splitlines(), start=1):
        if not line.strip() or line.lstrip().startswith("#"):
            scenes.append([])
        elif found := _LINE.match(line):
            scenes[-1].append((found[1].strip(), found[2].strip()))
        else:
            broken.append(f"{path}, line {number}: not in the form 角色:「台词」: {line.strip()[:40]}")
    _refuse(broken)
    speakers = {speaker for scene in scenes for speaker, _ in scene}
    if role and role not in speakers:
        raise UsageError(
            f"{path}: {role} says nothing in it; there are {', '.join(sorted(speakers)) or 'no speakers'}."
        )
    return [
        conversation
        for number, scene in enumerate(scenes)
        for learnt in ([role] if role else sorted({speaker for speaker, _ in scene}))
        for conversation in _of_scene(scene, learnt, f"{path}, scene {number + 1}", named=not role)
    ]


def read_document(path: Path) -> list[Conversation]:
    """Markdown or plain text: what stands under each heading, or each paragraph, asked for by its heading."""
    title, pieces, lines = path.stem, list[tuple[str, str]](), list[str]()

    def close() -> None:
        text = "\n".join(lines).strip()
        if text:
            pieces.extend((title, part) for part in _parts(text))
        lines.clear()

    for line in _text(path).splitlines():
        if found := _HEADING.match(line):
            close()
            title = found[1]
        else:
            lines.append(line)
    close()
    counted: dict[str, int] = {}
    result = []
    for heading, text in pieces:
        counted[heading] = counted.get(heading, 0) + 1
        question = heading if counted[heading] == 1 else f"{heading}（{counted[heading]}）"
        result.append(
            Conversation(((question, text),), f"document:{path}", "document", language_of(text), f"{path} › {heading}")
        )
    return result


def _of_csv(text: str, path: Path) -> Iterator[Conversation | str | None]:
    rows = csv.reader(text.splitlines())
    header = [name.strip().lower().lstrip("\ufeff") for name in next(rows, [])]
    columns = [next((header.index(name) for name in names if name in header), None) for names in (QUESTION, ANSWER)]
    approved = next((header.index(name) for name in APPROVED if name in header), None)
    if columns[0] is None or columns[1] is None:
        raise UsageError(f"{path}: its first row must name the columns question and answer (or 问题 and 答案).")
    for row in rows:
        where = f"{path}, line {rows.line_num}"
        if not any(cell.strip() for cell in row):
            continue
        if len(row) != len(header):
            yield f"{where}: {len(row)} columns, and the first row has {len(header)}"
        elif approved is not None and row[approved].strip().lower() not in YES:
            yield None
        else:
            yield _pair(row[columns[0]], row[columns[1]], where)


def _of_line(line: str, where: str) -> Conversation | str:
    try:
        return _of_entry(json.loads(line), where)
    except ValueError:
        return f"{where}: not JSON"


def _of_entry(entry: object, where: str) -> Conversation | str:
    if isinstance(entry, dict):
        question = next((entry[name] for name in QUESTION if name in entry), None)
        answer = next((entry[name] for name in ANSWER if name in entry), None)
        if question is not None or answer is not None:
            return _pair(question, answer, where)
    try:
        return _of_messages(messages_of(entry, where), where)
    except BrokenRow as broken:
        return str(broken)


def _pair(question: object, answer: object, where: str) -> Conversation | str:
    if not isinstance(question, str) or not question.strip():
        return f"{where}: it has no question"
    if not isinstance(answer, str) or not answer.strip():
        return f"{where}: it has no answer"
    said = question.strip()
    return Conversation(((said, answer.strip()),), f"pair:{said}", "pair", language_of(said), where)


def _of_messages(messages: list[dict[str, str]], where: str) -> Conversation | str:
    system = messages[0]["content"] if messages[0]["role"] == "system" else ""
    rest = messages[1:] if messages[0]["role"] == "system" else messages
    roles = [message["role"] for message in rest]
    if len(rest) % 2 or roles != ["user", "assistant"] * (len(rest) // 2):
        return f"{where}: after a system message, user and assistant must take turns"
    exchanges = tuple((rest[at]["content"], rest[at + 1]["content"]) for at in range(0, len(rest), 2))
    language = language_of(exchanges[0][0])
    return Conversation(exchanges, f"pair:{exchanges[0][0]}", "pair", language, where, system=system)


def _of_scene(scene: list[Exchange], learnt: str, where: str, *, named: bool) -> Iterator[Conversation]:
    """A scene as exchanges in which ``learnt`` is the model; what several say in a row is one message with names."""
    exchanges, heard = list[Exchange](), list[Exchange]()
    for speaker, line in scene:
        if speaker != learnt:
            heard.append((speaker, line))
        elif heard:
            said = heard[0][1] if len(heard) == 1 else "\n".join(f"{name}：{text}" for name, text in heard)
            exchanges.append((said, line))
            heard = []
        elif exchanges:
            exchanges[-1] = (exchanges[-1][0], f"{exchanges[-1][1]}\n{line}")
    language = language_of(" ".join(line for _, line in scene))
    system = "" if not named else f"你是{learnt}。" if language == "zh" else f"You are {learnt}."
    for begin in range(0, len(exchanges), MAX_SCENE_EXCHANGES):
        part = tuple(exchanges[begin : begin + MAX_SCENE_EXCHANGES])
        yield Conversation(part, f"script:{where}", "script", language, where, system=system)


def _parts(text: str) -> Iterator[str]:
    """Paragraphs, put together up to ``MAX_PIECE_CHARS``; a longer one is cut there."""
    part = ""
    for paragraph in re.split(r"\n\s*\n", text):
        if part and len(part) + len(paragraph) > MAX_PIECE_CHARS:
            yield part
            part = ""
        part = f"{part}\n\n{paragraph}".strip()
        while len(part) > MAX_PIECE_CHARS:
            yield part[:MAX_PIECE_CHARS]
            part = part[MAX_PIECE_CHARS:].strip()
    if part:
        yield part


def _whole(path: Path, rows: Iterable[Conversation | str | None]) -> list[Conversation]:
    found, broken = [], []
    for row in rows:
        if isinstance(row, str):
            broken.append(row)
        elif row is not None:
            found.append(row)
    _refuse(broken)
    if not found:
        raise UsageError(f"{path}: there is not one pair in it.")
    return found


def _refuse(broken: list[str]) -> None:
    if broken:
        more = f" And {len(broken) - SHOWN_BROKEN} more." if len(broken) > SHOWN_BROKEN else ""
        raise BrokenRow(f"{'; '.join(broken[:SHOWN_BROKEN])}.{more} Nothing was written.")


def _text(path: Path) -> str:
    try:
        return path.read_text("utf-8-sig")
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}.") from error
    except UnicodeDecodeError as error:
        raise UsageError(f"{path} is not UTF-8 (at byte {error.start}): save it as UTF-8.") from error
