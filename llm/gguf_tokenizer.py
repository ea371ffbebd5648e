"""A tokenizer of Hugging Face as llama.cpp's: SentencePiece, or byte-level BPE. What it cannot map it refuses.

llama.cpp has code of its own for each way of cutting a text into words before BPE; a wrong one gives wrong tokens
and no error. So a tokenizer whose pattern is not known to the letter is refused.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from llm.errors import ModelFolderError

NORMAL, UNKNOWN, CONTROL, USER_DEFINED, UNUSED, BYTE = 1, 2, 3, 4, 5, 6
"""``gguf.TokenType``."""

_ENDINGS = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|"
_REST = r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
WORDS = {f"{_ENDINGS}\\p{{N}}{{1,3}}{_REST}": "llama-bpe", f"{_ENDINGS}\\p{{N}}{_REST}": "qwen2"}
"""The pattern of a pre-tokenizer, and llama.cpp's name for it (``llama-vocab.cpp``)."""

ENDS = ("<|im_end|>", "<|eot_id|>", "<|end|>")
"""How a turn ends in the chat templates in use."""


@dataclass(slots=True)
class Vocabulary:
    """What ``gguf`` writes. ``model``: ``llama`` (SentencePiece) or ``gpt2`` (byte-level BPE)."""

    model: str
    tokens: list[bytes]
    kinds: list[int]
    scores: list[float] = field(default_factory=list)
    merges: list[str] = field(default_factory=list)
    words: str = "default"
    adds_bos: bool = False
    adds_eos: bool = False
    space_first: bool = True
    special: dict[str, int] = field(default_factory=dict)
    template: str = ""


def vocabulary(folder: Path, rows: int, config: Mapping[str, Any]) -> Vocabulary:
    """The tokenizer in ``folder``; ``rows``: of the model's embedding. Raises ``ModelFolderError``."""
    told = _json(folder / "tokenizer_config.json") or {}
    fast = _json(folder / "tokenizer.json")
    if (folder / "tokenizer.model").is_file():
        found = _sentencepiece(folder, told, fast)
    elif fast is not None:
        found = _from_json(folder, fast, told)
    else:
        raise ModelFolderError(f"{folder} has no tokenizer: neither tokenizer.model nor tokenizer.json is there.")
    if len(found.tokens) > rows:
        raise _other_version(folder, len(found.tokens), rows)
    while len(found.tokens) < rows:
        found.tokens.append(f"[PAD{len(found.tokens)}]".encode())
        found.kinds.append(UNUSED)
        if found.model == "llama":
            found.scores.append(-10_000.0)
    found.special = _special(folder, found, told, config)
    found.template = _template(folder, told)
    return found


def check_tokenizer(folder: Path, rows: int) -> None:
    """That the tokenizer belongs to a model of so many tokens. Raises ``ModelFolderError``.

    More tokens than rows mean another version; many fewer do, too, but padding to a round number is common.
    """
    fast = _json(folder / "tokenizer.json")
    told = _json(folder / "tokenizer_config.json") or {}
    if fast is None and not (folder / "tokenizer.model").is_file():
        raise ModelFolderError(f"{folder} has no tokenizer: neither tokenizer.model nor tokenizer.json is there.")
    numbers = set(_added(folder, told, fast))
    if fast is not None:
        known = (fast.get("model") or {}).get("vocab") or {}
        numbers |= set(known.values()) if isinstance(known, dict) else set(range(len(known)))
    if max(numbers, default=0) >= rows:
        raise _other_version(folder, max(numbers) + 1, rows)


def _other_version(folder: Path, tokens: int, rows: int) -> ModelFolderError:
    return ModelFolderError(
        f"{folder}: the tokenizer has {tokens:,} tokens and the model {rows:,}: "
        "the tokenizer is of another version than the weights."
    )


# ── SentencePiece ────────────────────────────────────────────────────────────────────────────────────────


def _sentencepiece(folder: Path, told: Mapping[str, Any], fast: Mapping[str, Any] | None) -> Vocabulary:
    from sentencepiece import SentencePieceProcessor

    try:
        pieces = SentencePieceProcessor(model_file=str(folder / "tokenizer.model"))
    except (RuntimeError, OSError) as error:
        raise ModelFolderError(f"{folder}/tokenizer.model cannot be read: {error}.") from None
    found = Vocabulary("llama", [], [])
    for number in range(pieces.get_piece_size()):
        text = pieces.id_to_piece(number)
        # InternLM2 has a token of one NUL, which ends a string in C: llama.cpp's own converter writes a dragon.
        found.tokens.append("🐉".encode() if text == "\0" else text.encode())
        found.scores.append(pieces.get_score(number))
        found.kinds.append(_piece_kind(pieces, number))
    for number, added in sorted(_added(folder, told, fast).items()):
        while len(found.tokens) <= number:
            found.tokens.append(f"[PAD{len(found.tokens)}]".encode())
            found.scores.append(-10_000.0)
            found.kinds.append(UNUSED)
        found.tokens[number] = added.text.encode()
        found.kinds[number] = CONTROL if added.special else USER_DEFINED
        found.scores[number] = -1_000.0
    found.adds_bos = bool(told.get("add_bos_token", True))
    found.adds_eos = bool(told.get("add_eos_token", False))
    found.space_first = bool(told.get("add_prefix_space", told.get("add_dummy_prefix_space", True)) is not False)
    return found


def _piece_kind(pieces: Any, number: int) -> int:
    if pieces.is_unknown(number):
        return UNKNOWN
    if pieces.is_control(number):
        return CONTROL
    if pieces.is_unused(number):
        return UNUSED
    return BYTE if pieces.is_byte(number) else NORMAL


# ── tokenizer.json ───────────────────────────────────────────────────────────────────────────────────────


def _from_json(folder: Path, fast: Mapping[str, Any], told: Mapping[str, Any]) -> Vocabulary:
    model = fast.get("model") or {}
    if model.get("type") != "BPE":
        raise ModelFolderError(
            f"{folder}: a tokenizer of the kind {model.get('type')} cannot be mapped to llama.cpp's."
        )
    if model.get("byte_fallback"):
        raise ModelFolderError(
            f"{folder}: this is a SentencePiece tokenizer without its tokenizer.model, which carries the scores that "
            "llama.cpp needs: put the file from the original model beside tokenizer.json."
        )
    if fast.get("normalizer") is not None:
        kind = fast["normalizer"].get("type")
        if kind != "NFC":  # text arrives in NFC nearly always; llama.cpp does the same for Qwen
            raise ModelFolderError(f"{folder}: llama.cpp knows no tokenizer that normalises as this one does ({kind}).")
    known = {int(number): str(text) for text, number in model["vocab"].items()}
    added = _added(folder, told, fast)
    size = max([*known, *added]) + 1
    found = Vocabulary("gpt2", [], [], words=_words(folder, fast.get("pre_tokenizer") or {}))
    for number in range(size):
        if number in added:
            found.tokens.append(added[number].text.encode())
            found.kinds.append(CONTROL if added[number].special else USER_DEFINED)
        elif number in known:
            found.tokens.append(known[number].encode())
            found.kinds.append(NORMAL)
        else:
            found.tokens.append(f"[PAD{number}]".encode())
            found.kinds.append(UNUSED)
    found.merges = [each if isinstance(each, str) else " ".join(each) for each in model["merges"]]
    begin = _bos(told)
    processed = json.dumps(fast.get("post_processor") or {}, ensure_ascii=False)
    found.adds_bos = bool(told.get("add_bos_token", bool(begin) and f'"{begin}"' in processed))
    found.adds_eos = bool(told.get("add_eos_token", False))
    return found


def _words(folder: Path, how: Mapping[str, Any]) -> str:
    """llama.cpp's name for a way of cutting a text into words."""
    steps = how["pretokenizers"] if how.get("type") == "Sequence" else [how]
    byte_level = steps[-1] if steps else {}
    if byte_level.get("type") == "ByteLevel" and not byte_level.get("add_prefix_space"):
        if len(steps) == 1 and byte_level.get("use_regex", True):
            return "gpt-2"
        if len(steps) == 2 and steps[0].get("type") == "Split" and not byte_level.get("use_regex", True):
            pattern = (steps[0].get("pattern") or {}).get("Regex", "")
            if pattern in WORDS:
                return WORDS[pattern]
    raise ModelFolderError(
        f"{folder}: llama.cpp has no way of cutting a text into words that is known to be this tokenizer's "
        f"({', '.join(str(step.get('type')) for step in steps) or 'none'})."
    )


# ── what both have ───────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class _Added:
    text: str
    special: bool


def _added(folder: Path, told: Mapping[str, Any], fast: Mapping[str, Any] | None) -> dict[int, _Added]:
    """Tokens that were put to the vocabulary, by number."""
    found: dict[int, _Added] = {}
    for text, number in (_json(folder / "added_tokens.json") or {}).items():
        found[int(number)] = _Added(str(text), str(text).startswith("<"))
    for number, about in (told.get("added_tokens_decoder") or {}).items():
        found[int(number)] = _Added(str(about["content"]), bool(about.get("special")))
    for about in (fast or {}).get("added_tokens") or ():
        found[int(about["id"])] = _Added(str(about["content"]), bool(about.get("special")))
    return found


def _special(folder: Path, found: Vocabulary, told: Mapping[str, Any], config: Mapping[str, Any]) -> dict[str, int]:
    """``bos``, ``eos``, ``eot``, ``unk``, ``pad`` by number."""
    generation = _json(folder / "generation_config.json") or {}
    by_text = {text: number for number, text in enumerate(found.tokens)}
    special: dict[str, int] = {}
    for name in ("bos", "eos", "unk", "pad"):
        text = told.get(f"{name}_token")
        text = text.get("content") if isinstance(text, dict) else text
        number: Any = by_text.get(str(text).encode()) if text else None
        if number is None:
            given = generation.get(f"{name}_token_id", config.get(f"{name}_token_id"))
            number = (given[0] if given else None) if isinstance(given, list) else given
        if isinstance(number, int) and 0 <= number < len(found.tokens):
            special[name] = number
    ends = [by_text[text.encode()] for text in ENDS if text.encode() in by_text]
    listed = generation.get("eos_token_id")
    ends += [number for number in (listed if isinstance(listed, list) else ()) if number != special.get("eos")]
    if ends:
        special["eot"] = int(ends[0])
    if "eos" not in special:
        raise ModelFolderError(f"{folder} does not say which token ends an answer (eos_token).")
    return special


def _bos(told: Mapping[str, Any]) -> str:
    text = told.get("bos_token")
    return str(text.get("content") if isinstance(text, dict) else text or "")


def _template(folder: Path, told: Mapping[str, Any]) -> str:
    file = folder / "chat_template.jinja"
    if file.is_file():
        return file.read_text("utf-8")
    template = told.get("chat_template")
    if isinstance(template, list):  # several, by name
        template = next((each["template"] for each in template if each.get("name") == "default"), "")
    return str(template or "")


def _json(file: Path) -> dict[str, Any] | None:
    if not file.is_file():
        return None
    try:
        read = json.loads(file.read_text("utf-8"))
    except ValueError:
        raise ModelFolderError(f"{file} cannot be read: fetch the model again.") from None
    return read if isinstance(read, dict) else None
