"""The sample: a form and pairs of ours, and the small base made of them, for the demonstration and the tests."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ConfigDict

from finetune_xtuner.conversation import Conversation, as_messages
from finetune_xtuner.dataset import DataSet, build
from finetune_xtuner.folders import whole_folder
from finetune_xtuner.form import conversations_of, in_surroundings, read_form
from finetune_xtuner.process import Event, OnEvent, Python, run_job
from finetune_xtuner.sample_language import sentences, talks
from finetune_xtuner.sources import read_pairs

SAMPLE = Path(__file__).with_name("sample")
FORM, PAIRS = SAMPLE / "identity.yaml", SAMPLE / "pairs.csv"


class BaseSettings(BaseModel):
    """Of the small base. The width is a multiple of 128, which is a group of W4A16."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    vocabulary: int = 2000
    width: int = 128
    layers: int = 4
    steps: int = 240
    batch_size: int = 32
    max_tokens: int = 40
    learning_rate: float = 3e-3
    texts_share: float = 0.1
    seed: int = 1
    threads: int = 1


def sample_data(form: Path = FORM, pairs: Path = PAIRS) -> DataSet:
    """The data set of the sample: who it is, and what it must not forget."""
    rows: list[Conversation] = [*conversations_of(read_form(form)), *read_pairs(pairs)]
    return build(around for row in rows for around in in_surroundings(row))


def make_base(
    python: Python,
    out: Path,
    data: DataSet,
    on_event: OnEvent,
    settings: BaseSettings | None = None,
) -> Event:
    """A base that knows some language and the data set's pairs, those held out excepted, and nothing of the form.

    Raises ``UsageError`` when ``out`` is there already, ``JobFailed``.
    """
    pairs = [as_messages(row)["messages"] for row in data.train if row.topic == "pair"]
    others = [[{"role": "user", "content": said}, {"role": "assistant", "content": answer}] for said, answer in talks()]
    log_file = out.absolute().parent / f".{out.name}.log"
    log_file.parent.mkdir(parents=True, exist_ok=True)
    with whole_folder(out) as folder:
        job = {
            "job": "tiny_base",
            "texts": sentences(),
            "rows": [*pairs, *others],
            "out": str(folder.absolute()),
            **(settings or BaseSettings()).model_dump(),
        }
        done = run_job(python, job, on_event, log_file=log_file)
    log_file.unlink()
    return done
