"""Settings of the knowledge: the ``knowledge`` section of ``config.yaml``."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from rag.reading import Reading


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class NoEmbedding(_Section):
    """Words alone: nothing to download, nothing to pay."""

    kind: Literal["none"] = "none"
    weight: float = 0.0


class LsaEmbedding(_Section):
    """Latent semantic analysis fitted on each base: finds words that keep company."""

    kind: Literal["lsa"]
    dimensions: int = Field(default=256, ge=8, le=1024)
    weight: float = Field(default=0.5, ge=0)
    """Of its ranks beside the words' in the fusion, here and below. LSA sees the same words, only blurred."""
    refit_share: float = Field(default=0.2, gt=0, le=1)
    """Fitted anew when this share of the chunks has changed since the last fit."""


class EndpointEmbedding(_Section):
    """Any server with OpenAI's ``/embeddings`` (extra ``openai``). The key stands in the environment variable."""

    kind: Literal["endpoint"]
    url: str
    model: str
    weight: float = Field(default=1.0, ge=0)
    key_env: str = "MAODOU_EMBEDDING_KEY"
    batch_texts: int = Field(default=64, ge=1)
    timeout_s: float = Field(default=30.0, gt=0)
    query_timeout_s: float = Field(default=3.0, gt=0)
    """A question whose vector takes longer is answered by words alone."""


class LlamaIndexEmbedding(_Section):
    """Any LlamaIndex embedding class, named by its import path, made with ``arguments``."""

    kind: Literal["llama_index"]
    cls: str = Field(alias="class")
    weight: float = Field(default=1.0, ge=0)
    arguments: dict[str, str | int | float | bool] = Field(default_factory=dict)
    batch_texts: int = Field(default=64, ge=1)


Embedding = Annotated[NoEmbedding | LsaEmbedding | EndpointEmbedding | LlamaIndexEmbedding, Field(discriminator="kind")]


class GitSettings(_Section):
    """Repositories as a source of documents."""

    timeout_s: float = Field(default=300.0, gt=0)
    max_bytes: int = Field(default=500_000_000, ge=1)
    """On the disk while it is fetched, and of its documents."""
    max_files: int = Field(default=20_000, ge=1)
    batch_files: int = Field(default=200, ge=1)
    """Read out of the repository at once."""
    every_s: float = Field(default=86_400.0, ge=0)
    """How often a repository is asked whether it has changed, unless something else is said when it is added."""
    private_addresses: bool = False
    """Whether a server inside the network may be asked: for a forge of one's own."""


class JudgeSettings(_Section):
    """The model as a judge of messages about which the gate is in doubt: one call each."""

    enabled: bool = False
    margin: float = Field(default=1.0, gt=0)
    """In doubt: so near, in log-odds, to the chance that is needed."""
    timeout_s: float = Field(default=6.0, gt=0)
    max_tokens: int = Field(default=120, ge=16)


class CompletionSettings(_Section):
    """Follow-ups made whole by the model, where there is one."""

    enabled: bool = True
    timeout_s: float = Field(default=4.0, gt=0)
    max_tokens: int = Field(default=160, ge=16)


class KnowledgeSettings(_Section):
    """Limits and choices, with the defaults that the benchmarks are measured with."""

    max_file_bytes: int = Field(default=4_000_000, ge=1)
    reading: Reading = Field(default_factory=Reading)
    """Limits for PDF and Word."""
    git: GitSettings = Field(default_factory=GitSettings)
    judge: JudgeSettings = Field(default_factory=JudgeSettings)
    completion: CompletionSettings = Field(default_factory=CompletionSettings)
    sync_poll_s: float = Field(default=5.0, gt=0)
    """How often it is looked whether a folder or a repository is due."""
    max_files: int = Field(default=100_000, ge=1)
    chunk_chars: int = Field(default=1_000, ge=100)
    """What the splitter aims at; it never makes a chunk longer than ``max_chunk_chars``."""
    max_chunk_chars: int = Field(default=2_000, ge=200)
    batch_documents: int = Field(default=64, ge=1)
    """Documents written in one transaction."""
    recall_floor: int = Field(default=50, ge=1)
    """Candidates taken from each channel, however few are wanted."""
    max_query_chars: int = Field(default=2_000, ge=1)
    """A message is searched for by its beginning: what is longer is pasted output."""
    passages_per_document: int = Field(default=2, ge=1)
    embed_commit_texts: int = Field(default=512, ge=1)
    """Embedded texts written in one transaction."""
    passages_per_member: int = Field(default=1, ge=1)
    """Of all documents that one member gave, in what is found for a question."""
    passages_of_members: int = Field(default=2, ge=1)
    """Of all documents that members gave, in what is found for a question: many accounts are no majority."""
    uploads_pending_per_member: int = Field(default=5, ge=1)
    """Documents of one member that wait for a moderator."""
    uploads_pending: int = Field(default=100, ge=1)
    """Documents that wait for a moderator, in all rooms together."""
    max_upload_bytes: int = Field(default=4_000_000, ge=1)
    reactions_per_member: int = Field(default=10, ge=1)
    """👍 and 👎 of one member that count, the newest of the last thirty days, when an admin looks at them."""
    wrong_per_day: int = Field(default=20, ge=1)
    """Answers that one member can report as wrong in a day."""
    poll_s: float = Field(default=1.0, gt=0)
    """How often a running index asks whether its base has changed."""
    embedding: Embedding = Field(default_factory=NoEmbedding)
