"""What webhooks are told beside outcomes, which the feed has too (`OutcomeOut`)."""

from typing import Literal

from pydantic import BaseModel, Field

from reviewqueue.api.schemas import MachineOut, OutcomeOut


class EventOut(BaseModel):
    """What every message has; `data` is of its type."""

    id: str = Field(description="The same at every try, and the header `webhook-id`.")
    timestamp: str = Field(
        description="When it happened.", json_schema_extra={"format": "date-time"}
    )


class OfStream(BaseModel):
    stream: str = Field(description="The stream's key.")


class OfItem(OfStream):
    item: str = Field(description="The item's id here.")
    external_id: str
    sequence: int = Field(description="Counts what was announced of this item, from 1.")


class ToldOutcome(OutcomeOut):
    """As the feed of outcomes has it."""

    type: Literal["item.settled", "item.overturned", "audit.overturned"]


class RoutedData(OfItem):
    decision: MachineOut
    confidence: float = Field(description="Calibrated: how often such answers are right.")
    policy_version: int


class RoutedEvent(EventOut):
    """Where an item went: when it was taken in, or decided again."""

    type: Literal["item.routed"]
    data: RoutedData


class RetryAsked(BaseModel):
    """What a person asks; the note itself is in `GET …/items/{external_id}`."""

    id: str
    how: Literal["rewrite", "widen"] = Field(
        description="rewrite: with another prompt; widen: with a wider retrieval"
    )
    has_note: bool
    requested_at: str = Field(json_schema_extra={"format": "date-time"})


class RefusalOut(BaseModel):
    """The decision that refused the sentence."""

    id: str
    queue: str
    action: str
    confidence: float


class RetryData(OfItem):
    retry: RetryAsked
    decision: RefusalOut
    draft: str = Field(description="As it was posted; empty where none was.")
    position: int | None


class RetryEvent(EventOut):
    """A person asks for a refused sentence to be drafted again."""

    type: Literal["item.retry_requested"]
    data: RetryData


class PolicyData(OfStream):
    policy: str = Field(description="The id of this version.")
    version: int
    categories: list[str] = Field(description="Their keys, in the order that breaks ties.")


class PolicyEvent(EventOut):
    """A version of the policy is in force; `GET …/policy` has it."""

    type: Literal["policy.published"]
    data: PolicyData


class DriftData(OfStream):
    alarm: str = Field(description="The id of the alarm.")
    category: str | None = Field(description="Null: of all categories together.")
    side: Literal["more", "fewer"] = Field(description="More errors than promised, or fewer.")
    model_version: str
    audits: int = Field(description="Audited labels that the alarm rests on.")
    errors: int = Field(description="How many of them were wrong.")
    promised_errors: float = Field(description="How many the confidences had promised.")


class DriftEvent(EventOut):
    """Audits broke the promise of the published policy."""

    type: Literal["drift.alarm"]
    data: DriftData


class PingData(OfStream):
    webhook: str = Field(description="The webhook's id.")


class PingEvent(EventOut):
    """A test that an admin sent; it is about nothing and is not tried again."""

    type: Literal["webhook.test"]
    data: PingData
