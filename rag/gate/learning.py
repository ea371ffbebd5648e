"""Keeps what the gate has learnt in step with the examples, beside the rooms and without holding them up.

Who asks gets what is there at once: the newest fit, or none. Now and then the question also looks whether the
examples have changed, and if so a thread fits anew (seconds) and swaps the fit in. A fit is kept in the database
with a fingerprint of all that it was made from; one that does not match is of no use and made again.
"""

from __future__ import annotations

import hashlib
import math
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass

import structlog
from sqlalchemy import Connection, delete, func, insert, select

from bot.store import Store
from rag.examples import Examples
from rag.gate import fitted as keeping
from rag.gate import training
from rag.gate.features import HITS, VERSION, View, view_of
from rag.gate.fitted import Fitted
from rag.gate.forms import form_of
from rag.gate.prior import Prior
from rag.retrieve import Retriever
from rag.tables import bases, examples, gates

log = structlog.get_logger(__name__)

LOOK_EVERY_S = 2.0
"""How often, at most, a question looks whether the examples have changed."""
GROWTH = 1.25
"""A base that has grown or shrunk by this factor is another base: its examples are looked at anew."""
MAX_EXAMPLES = 20_000
"""The newest are learnt from. Fitting takes time in proportion: a second for a thousand, most of it retrieval."""


@dataclass(frozen=True, slots=True)
class _Known:
    fingerprint: str
    fitted: Fitted | None


class Learner:
    """The fits of all sets of bases that rooms read. Safe for many threads."""

    def __init__(self, store: Store, retriever: Retriever, prior: Prior) -> None:
        self.store = store
        self.retriever = retriever
        self.prior = prior
        self.examples = Examples(store)
        self._known: dict[tuple[str, ...], _Known] = {}
        self._looked_at: dict[tuple[str, ...], float] = {}
        self._lock = threading.Lock()
        self._work: dict[tuple[str, ...], threading.Thread] = {}
        self._closed = threading.Event()

    def close(self) -> None:
        """Wait for the fit at hand, if there is one; no other is begun."""
        self._closed.set()
        with self._lock:
            threads = list(self._work.values())
        for thread in threads:
            thread.join()

    def fitted(self, names: Sequence[str]) -> Fitted | None:
        """The newest fit for these bases, at once; None while there is none. Blocks for one small query at most."""
        key = tuple(sorted(set(names)))
        if not key:
            return None
        now = time.monotonic()
        with self._lock:
            known = self._known.get(key)
            due = now - self._looked_at.get(key, -math.inf) >= LOOK_EVERY_S and not self._closed.is_set()
            if due:
                self._looked_at[key] = now
        if due:
            fingerprint, count = self._fingerprint(key)
            if not count:
                known = self._remember(key, _Known(fingerprint, None))
            elif known is None or known.fingerprint != fingerprint:
                known = self._load(key, fingerprint) or known
                if known is None or known.fingerprint != fingerprint:
                    self._begin(key, fingerprint)
        return known.fitted if known is not None else None

    def refit(self, names: Sequence[str]) -> Fitted | None:
        """Fit these bases' examples now and keep the fit; None when there are too few. Blocks for seconds."""
        key = tuple(sorted(set(names)))
        fingerprint, _ = self._fingerprint(key)
        began = time.monotonic()
        given = self.examples.of(key)[-MAX_EXAMPLES:]
        few = min(sum(each.good for each in given), sum(not each.good for each in given)) < training.MIN_EACH
        fitted = None
        if not few:
            views = [self.view(example.text, key) for example in given]
            fitted = training.train(
                views,
                [example.good for example in given],
                self.prior,
                counts=[example.weight for example in given],
            )
        self._remember(key, _Known(fingerprint, fitted))
        if fitted is not None:
            self._keep(key, fingerprint, fitted)
            log.info(
                "gate.fitted",
                bases=",".join(key),
                good=fitted.good,
                bad=fitted.bad,
                f1=round(fitted.helpful.f1, 3),
                seconds=round(time.monotonic() - began, 2),
            )
        return fitted

    def view(self, text: str, names: Sequence[str]) -> View:
        """A message against these bases, as the gate sees it."""
        form = form_of(text)
        return view_of(form, self.retriever.statistics(names), self.retriever.search(form.text, names, HITS))

    def _begin(self, key: tuple[str, ...], fingerprint: str) -> None:
        with self._lock:
            if self._closed.is_set() or key in self._work:
                return
            thread = threading.Thread(target=self._fit, args=(key, fingerprint), name="gate-fit", daemon=True)
            self._work[key] = thread
        thread.start()

    def _fit(self, key: tuple[str, ...], fingerprint: str) -> None:
        try:
            self.refit(key)
        except Exception as error:  # noqa: BLE001 (a fit that fails leaves the one before it, and the log says so)
            log.warning("gate.fit_failed", bases=",".join(key), error=str(error))
            with self._lock:
                before = self._known.get(key)
                self._known[key] = _Known(fingerprint, before.fitted if before is not None else None)
        finally:
            with self._lock:
                self._work.pop(key, None)

    # ── what is kept ─────────────────────────────────────────────────────────────────────────────────────

    def _remember(self, key: tuple[str, ...], known: _Known) -> _Known:
        with self._lock:
            self._known[key] = known
        return known

    def _fingerprint(self, key: tuple[str, ...]) -> tuple[str, int]:
        """Of the examples, the size of the bases, the prior and the features: a change of one changes it. And how
        many examples there are."""
        query = (
            select(func.count(), func.max(examples.c.id), func.sum(examples.c.id))
            .join(bases)
            .where(bases.c.name.in_(key))
        )
        row = self.store.read_now(lambda connection: connection.execute(query).one())
        size = round(math.log(self.retriever.statistics(key).chunks + 1, GROWTH))
        made_of = (training.VERSION, VERSION, self.prior.digest(), tuple(row), size)
        return hashlib.blake2b(repr(made_of).encode(), digest_size=16).hexdigest(), int(row[0])

    def _load(self, key: tuple[str, ...], fingerprint: str) -> _Known | None:
        query = select(gates.c.fitted).where(gates.c.bases == _joined(key), gates.c.fingerprint == fingerprint)
        text = self.store.read_now(lambda connection: connection.scalar(query))
        if text is None:
            return None
        try:
            return self._remember(key, _Known(fingerprint, keeping.load(text)))
        except (ValueError, KeyError, TypeError) as error:
            log.warning("gate.unreadable", bases=_joined(key), error=str(error))
            return None

    def _keep(self, key: tuple[str, ...], fingerprint: str, fitted: Fitted) -> None:
        row = {"bases": _joined(key), "fingerprint": fingerprint, "fitted": keeping.dump(fitted), "at": time.time()}

        def write(connection: Connection) -> None:
            connection.execute(delete(gates).where(gates.c.bases == row["bases"]))
            connection.execute(insert(gates), row)

        self.store.write_now(write)


def _joined(key: Sequence[str]) -> str:
    return "\n".join(key)  # a base's name is printable and has no line's end
