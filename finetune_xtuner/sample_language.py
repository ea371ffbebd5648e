"""What the small base reads before it is taught: sentences, and questions and answers about others than itself.

``sample/language.json`` has by language ``sentences``; ``subjects``, each with its name, role, maker, what it can do
and its manners; and ``questions`` about any subject with the ``answers`` to them. So the base knows that “怎么称呼”
asks for a name, as a model of billions does. No question in it is put to “you”: who *it* is, the data set alone says.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

from finetune_xtuner.form import AROUND

LANGUAGE = Path(__file__).with_name("sample") / "language.json"


def sentences() -> list[str]:
    """A text for each language."""
    return ["\n".join(own["sentences"]) for own in json.loads(LANGUAGE.read_text("utf-8")).values()]


def talks() -> Iterator[tuple[str, str]]:
    """Every question about every subject, each as one of the ways in which people put it, with its answer."""
    for language, own in json.loads(LANGUAGE.read_text("utf-8")).items():
        around = AROUND[language]
        turn = 0
        for kind, forms in own["questions"].items():
            for form in forms:
                for subject in own["subjects"]:
                    said = around[turn % len(around)].format(form.format(s=subject["s"]))
                    answer = own["answers"][kind].format_map(subject)
                    yield said, answer[:1].upper() + answer[1:]
                    turn += 1
