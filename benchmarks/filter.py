"""``python -m benchmarks filter --texts FILE``: what the filter hides of texts whose label is known.

``FILE``: JSON lines ``{"text": …, "label": 0 | 1}``; 1 means that the text is to be hidden. Each passes the object that
rooms use, with the lists and the threshold as shipped. The last line of output is
``{"recall", "precision", "false_positive_rate", "us_per_char"}``; null where the file gives a figure no meaning.
``us_per_char``: processor microseconds for a character, of the texts one by one. ``--show N``: also write the first N
mistakes of each kind, with what was found in them, to the standard error.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from moderation.judging import Filter
from moderation.scoring import Finding


@dataclass(frozen=True, slots=True)
class Labelled:
    text: str
    hide: bool


def main(argv: Sequence[str]) -> int:
    arguments = _arguments(argv)
    texts = read_texts(arguments.texts)
    screen = Filter.shipped()
    for each in texts[:20]:
        screen.judge(each.text)
    began = time.process_time()
    findings = [screen.judge(each.text) for each in texts]
    seconds = time.process_time() - began
    result = figures([each.hide for each in texts], [finding.hides for finding in findings])
    chars = sum(len(each.text) for each in texts)
    result["us_per_char"] = round(1e6 * seconds / chars, 4) if chars else None
    _show(texts, findings, arguments.show)
    sys.stdout.write(json.dumps(result) + "\n")
    return 0


def _arguments(argv: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks filter")
    parser.add_argument("--texts", type=Path, required=True)
    parser.add_argument("--show", type=int, default=0)
    return parser.parse_args(argv)


def read_texts(path: Path) -> list[Labelled]:
    """Raises ``ValueError`` with the line's number for what is no labelled text."""
    found: list[Labelled] = []
    with path.open(encoding="utf-8") as lines:
        for number, line in enumerate(lines, start=1):
            if not line.strip():
                continue
            try:
                entry = json.loads(line)
                text, label = entry["text"], entry["label"]
                if not isinstance(text, str) or label not in (0, 1):
                    raise ValueError("the text is no string, or the label neither 0 nor 1")
            except (ValueError, KeyError, TypeError) as error:
                raise ValueError(f'{path}:{number}: not {{"text": …, "label": 0 or 1}}') from error
            found.append(Labelled(text, bool(label)))
    return found


def figures(hide: Sequence[bool], hidden: Sequence[bool]) -> dict[str, float | None]:
    """Shares; null where their denominator is 0."""
    pairs = list(zip(hide, hidden, strict=True))
    hits = sum(wanted and done for wanted, done in pairs)
    false_alarms = sum(done and not wanted for wanted, done in pairs)
    return {
        "recall": _share(hits, sum(hide)),
        "precision": _share(hits, hits + false_alarms),
        "false_positive_rate": _share(false_alarms, len(hide) - sum(hide)),
    }


def _share(part: int, whole: int) -> float | None:
    return round(part / whole, 4) if whole else None


def _show(texts: Sequence[Labelled], findings: Sequence[Finding], most: int) -> None:
    for hide in (False, True):
        wrong = [
            (each, found) for each, found in zip(texts, findings, strict=True) if each.hide is hide is not found.hides
        ]
        for each, found in wrong[:most]:
            evidence = ", ".join(f"{match.term.lemma} ({match.term.strength})" for match in found.evidence)
            context = ", ".join(match.term.lemma for match in found.context)
            kind = "missed" if hide else "false alarm"
            text = " ".join(each.text.split())[:120]
            sys.stderr.write(f"{kind} {found.score}: {text!r} [{evidence}] less [{context}]\n")
