"""The heading that asks the question: the plainest sign that its passage answers it, however short both are.

“How do I install it?” has one word that counts, which says little to the statistics of a base; but where a passage
stands under “How to install and start it”, whoever asked us so is asking for it.
"""

from __future__ import annotations

from collections.abc import Sequence

from rag.gate.background import chance
from rag.retrieve import Hit
from search.tokenise import content

LOOKED_AT = 3
"""Of the best passages."""
ALIKE = 0.5
"""A message and a heading ask the same when they share this much of what the two are about."""
TELLING = 0.05
"""What they share must hold a word no likelier than this in general text: “any problems?” is not about a heading
“Problems”."""


def asks_for_one(text: str, hits: Sequence[Hit]) -> bool:
    """Whether one of the best passages stands under a heading that asks for what ``text`` asks for."""
    words = set(content(text))
    return any(_share(words, hit) for hit in hits[:LOOKED_AT])


def asks_the_same(text: str, hits: Sequence[Hit]) -> bool:
    """Whether ``text`` and the heading of one of the best passages ask for the same: enough for somebody who asked
    the room and not us."""
    words = set(content(text))
    return any(_alike(words, hit) for hit in hits[:LOOKED_AT])


def those_first(text: str, hits: Sequence[Hit]) -> list[Hit]:
    """The hits with those in front whose heading is about ``text``: the less it is about besides, the further."""
    words = set(content(text))
    return sorted(hits, key=lambda hit: _share(words, hit), reverse=True)


def _share(words: set[str], hit: Hit) -> float:
    """Of what the heading right above the passage is about, how much ``words`` ask for; 0 where they ask for more.

    What stands further up – a document's title names its subject – allows for the subject being said along, as in
    “how do I install *it by name*”, but asks for nothing by itself.
    """
    heading, above = _parts(hit)
    asked = words & heading
    return len(asked) / len(heading) if asked and words <= heading | above else 0.0


def _alike(words: set[str], hit: Hit) -> bool:
    heading, above = _parts(hit)
    shared = words & heading
    either = words - above | heading
    return any(chance(word) <= TELLING for word in shared) and len(shared) >= ALIKE * len(either)


def _parts(hit: Hit) -> tuple[set[str], set[str]]:
    """The words that carry what the heading right above the passage is about, and those further up."""
    above, _, nearest = hit.passage.heading.rpartition(" › ")
    return set(content(nearest)), set(content(above))
