"""Settings of voice messages: the ``voice`` section of ``config.yaml``.

Nothing has to be set: after ``maodou voice pull`` the model that was fetched listens. Another one, or a server that
transcribes, takes one line: ``voice: {ear: {server: {url: http://127.0.0.1:8000/v1, model: sensevoice}}}``.
"""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from net.model_server import ModelServer


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class SpeechServer(ModelServer):
    """A server with OpenAI's ``/audio/transcriptions`` or ``/audio/speech``."""

    SECTION = ("MAODOU_VOICE", "MAODOU_SPEECH_KEY")

    timeout_s: float = Field(30.0, gt=0, description="A whole request, with what is sent and what comes back.")
    connect_s: float = Field(5.0, gt=0)
    max_response_bytes: int = Field(8_000_000, ge=1_000)


class EarSettings(_Section):
    """What listens, and within which bounds."""

    model: str = Field(
        "iic/SenseVoiceSmall",
        description="A FunASR model: its name on the hub, after `maodou voice pull`, or a folder that holds it.",
    )
    vad_model: str = Field("", description="Cuts long notes at their pauses; Paraformer wants iic/speech_fsmn_vad….")
    punc_model: str = Field("", description="Sets punctuation where the model sets none; Paraformer wants one.")
    hub: Literal["modelscope", "huggingface"] = "modelscope"
    device: str = Field("cpu", description="cpu, cuda:0 …, as torch calls it.")
    threads: int = Field(1, ge=1, description="Of one recognition on the CPU.")
    server: SpeechServer | None = Field(None, description="Transcribes instead of a model of our own.")

    max_note_bytes: int = Field(25_000_000, ge=1_000)
    max_note_s: float = Field(300.0, gt=0, le=3600, description="A longer note is refused.")
    min_note_s: float = Field(0.3, ge=0.1, description="A shorter one holds no word.")
    decode_s: float = Field(20.0, gt=0, description="A file that takes longer to decode is refused.")
    deadline_s: float = Field(60.0, gt=0, description="One note, decoded and recognised; then the worker is killed.")
    start_s: float = Field(120.0, gt=0, description="What the worker gets to load the model.")
    max_memory_mib: int = Field(6_144, ge=256, description="Of the worker; one that takes more is ended.")
    max_waiting: int = Field(16, ge=1, description="Notes of all rooms that wait for the ear; more are refused.")

    min_level_dbfs: float = Field(-55.0, le=0, description="Loudness below which a note is silence.")
    min_confidence: float = Field(0.75, ge=0, le=1, description="A less certain transcript is not believed.")
    max_chars_per_s: float = Field(15.0, gt=0, description="Nobody speaks faster: a transcript that does is made up.")


class MouthSettings(_Section):
    """What speaks, and within which bounds."""

    engine: Literal["espeak", "edge", "server", "off"] = Field(
        "espeak",
        description="espeak: espeak-ng on this machine, robotic but private; edge: Microsoft's voices, to which the "
        "answer's text is sent; server: the one named below; off: no voice messages.",
    )
    stand_in: Literal["espeak", "none"] = Field("espeak", description="Speaks where the engine cannot.")
    voice_zh: str = Field("", description="Empty: zh-CN-XiaoxiaoNeural with edge, alloy with a server.")
    voice_en: str = Field("", description="Empty: en-US-AriaNeural with edge, alloy with a server.")
    rate_percent: int = Field(0, ge=-50, le=100, description="How much faster than the voice's own speed.")
    server: SpeechServer | None = Field(None, description="A server with OpenAI's /audio/speech, for engine: server.")

    max_chars: int = Field(1_200, ge=50, le=10_000, description="A longer answer is read to a sentence's end before.")
    engine_s: float = Field(20.0, gt=0, description="The engine gets so long for one answer, all attempts together.")
    attempts: int = Field(2, ge=1, le=5)
    retry_first_s: float = Field(0.5, ge=0, description="The pause after a failed attempt; doubled each time.")
    failures_before_rest: int = Field(3, ge=1, description="The engine is left alone after so many failed answers.")
    rest_s: float = Field(60.0, gt=0, description="For so long at first; doubled while it goes on failing.")
    rest_most_s: float = Field(900.0, gt=0)
    at_once: int = Field(4, ge=1, description="Answers of all rooms that are spoken at the same time.")
    max_audio_bytes: int = Field(8_000_000, ge=10_000, description="Of what the engine sends for one answer.")

    espeak_command: str = "espeak-ng"
    espeak_s: float = Field(10.0, gt=0, description="espeak-ng is ended after this.")
    espeak_words_per_minute: int = Field(160, ge=80, le=450)

    cache_max_bytes: int = Field(200_000_000, ge=0, description="Spoken answers that are kept in data_dir/speech.")
    cache_days: float = Field(7.0, gt=0, description="What nobody asked for again in this time goes.")

    @model_validator(mode="after")
    def _server_is_named(self) -> MouthSettings:
        if self.engine == "server" and self.server is None:
            raise ValueError("engine: server needs a server: with url and model")
        return self


class VoiceSettings(_Section):
    """``ear``: voice messages in; ``mouth``: voice messages out."""

    ear: EarSettings = EarSettings()
    mouth: MouthSettings = MouthSettings()
    keep_audio: bool = Field(False, description="Keep heard notes in data_dir/notes; off: they are erased at once.")
    follow_up_s: float = Field(
        120.0, ge=0, description="A note within so many seconds after its author addressed the bot is meant for it."
    )
