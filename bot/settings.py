"""The core's settings: every bound has a name, a unit and a reason. ``config.yaml`` fills them."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class CoreSettings(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    # answering
    answer_within_s: float = Field(600, gt=0, description="An older message gets no answer, at most a late word.")
    answer_deadline_s: float = Field(60, gt=0, description="The longest work on one message.")
    stream_after_s: float = Field(0.7, ge=0, description="An answer that takes longer is shown while it is made.")
    context_messages: int = Field(8, ge=0, le=50, description="How many earlier messages of the room are read.")
    max_question_chars: int = Field(4000, gt=0, description="What is longer is read up to here.")

    # a room's lane
    lane_depth: int = Field(50, gt=0, description="Messages of one room that may wait at once.")
    busy_word_every_s: float = Field(60, gt=0, description="At most one 'busy' word per room in this time.")
    late_word_every_s: float = Field(3600, gt=0, description="At most one late word per room in this time.")
    unsent_per_room: int = Field(3, gt=0, description="With more unsent deliveries a room waits for its platform.")

    # deliveries
    send_timeout_s: float = Field(15, gt=0, description="A call that takes longer has an outcome that is not known.")
    deliver_within_s: float = Field(1800, gt=0, description="A delivery is retried for so long, then given up.")
    retry_first_s: float = Field(0.5, gt=0, description="The first pause after a failure; doubled each time.")
    deliver_voice_within_s: float = Field(20, gt=0, description="The same of a voice message: texts wait behind it.")
    speak_within_s: float = Field(60, gt=0, description="A voice message that is not made by then is left out.")
    retry_most_s: float = Field(30, gt=0, description="The longest pause between two attempts.")

    # keeping
    retention_days: float = Field(30, gt=0, description="How long texts are kept.")
    keys_days: float = Field(7, ge=0.3, description="How long keys are kept; Feishu redelivers for 7.1 hours.")

    operators: tuple[str, ...] = Field((), description="Who runs this bot, as platform:member id.")
