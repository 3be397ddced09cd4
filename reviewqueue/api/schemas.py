"""What the API answers."""

from typing import Any

from pydantic import BaseModel, ConfigDict, Field


class Alternative(BaseModel):
    category: str
    probability: float


class ReasonOut(BaseModel):
    """A rule that shaped the outcome, with its numbers beside code and message."""

    model_config = ConfigDict(extra="allow")
    code: str = Field(examples=["margin"])
    message: str = Field(examples=["margin 0.19 under 0.30"])


class Uncertain(BaseModel):
    """The structured answer of a refusal: nothing to act on, and what it might have been."""

    message: str
    candidates: list[Alternative]


class DecisionOut(BaseModel):
    """What was decided. `category` is null unless `action` acts."""

    id: str | None
    external_id: str
    queue: str
    action: str
    category: str | None
    predicted: str
    confidence: float
    raw_confidence: float
    margin: float
    entropy: float
    alternatives: list[Alternative]
    watch: list[str]
    reasons: list[ReasonOut]
    policy_version: int
    uncertain: Uncertain | None


class VerdictOut(BaseModel):
    kind: str
    categories: list[str]
    proposed_name: str
    comment: str
    answered_at: str


class ItemOut(DecisionOut):
    """The latest decision with the item's state, and the verdict once it is published."""

    state: str
    received_at: str
    verdict: VerdictOut | None


class BatchLine(BaseModel):
    """The answer to one item of a batch: a decision, or the problem with it."""

    index: int
    status: int
    decision: DecisionOut | None = None
    problem: dict[str, Any] | None = None


class BatchOut(BaseModel):
    taken: int
    known: int
    refused: int
    results: list[BatchLine]


class AnswerOut(BaseModel):
    """A person's answer without its words; those are in `GET …/items/{external_id}`."""

    id: str
    kind: str = Field(examples=["category"])
    categories: list[str]
    answered_at: str


class MachineOut(BaseModel):
    """What the machine had decided; `category` is what was acted on, null where nothing was."""

    id: str
    queue: str
    action: str
    category: str | None
    predicted: str


class OutcomeData(BaseModel):
    """`agrees`: whether the machine's category is among those of the verdict."""

    stream: str
    item: str
    external_id: str
    sequence: int = Field(description="Counts what was announced of this item, from 1.")
    verdict: AnswerOut
    decision: MachineOut
    agrees: bool
    seat: str = Field(examples=["hold"])
    published_at: str
    overturned: AnswerOut | None = Field(
        default=None, description="The answer that an overturn replaced."
    )


class OutcomeOut(BaseModel):
    """One outcome, the same as the body of the webhook that tells of it."""

    id: str
    type: str = Field(examples=["item.settled", "item.overturned"])
    timestamp: str
    data: OutcomeData


class OutcomesOut(BaseModel):
    """A page of the feed; `next` is the cursor to go on from."""

    outcomes: list[OutcomeOut]
    next: str
    more: bool
