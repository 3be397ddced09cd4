"""What the API answers."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from reviewqueue.api.problems import ProblemDocument

Queue = Literal["auto", "flagged", "hold", "reject"]
Action = Literal["act", "act_and_review", "wait", "refuse", "escalate"]
State = Literal["routed", "waiting", "settled"]
VerdictKind = Literal["category", "no_category_fits", "ambiguous", "cannot_judge"]


def _time(description: str) -> object:
    return Field(description=description, json_schema_extra={"format": "date-time"})


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


class CitationOut(BaseModel):
    """The block that a shipped sentence is to be shown with."""

    id: str
    title: str
    link: str
    date: str | None


class ContributionsOut(BaseModel):
    """What each signal has in the raw confidence, which is their sum."""

    entailment_probability: float
    gap: float
    claim_count: float


class WarningOut(BaseModel):
    """What the score does not see; it changes nothing about where the sentence goes."""

    model_config = ConfigDict(extra="allow")
    code: Literal["stale_source", "number_not_found"]
    message: str


class DecisionOut(BaseModel):
    """What was decided. `category` is null unless `action` acts.

    `badge` to `warnings` stand in the answers to drafted sentences alone.
    """

    id: str | None = Field(description="Of the decision; null where nothing was stored.")
    external_id: str
    queue: Queue
    action: Action = Field(
        description="act (auto), act_and_review (flagged), wait (hold), refuse or escalate (reject)"
    )
    category: str | None = Field(description="What to act on; null where nothing is acted on.")
    predicted: str = Field(description="The category with the highest score.")
    confidence: float = Field(description="Calibrated: how often such answers are right.")
    raw_confidence: float = Field(description="The highest score as it was posted.")
    margin: float = Field(description="The highest score minus the second.")
    entropy: float = Field(description="Of the scores, from 0 (sure) to 1 (clueless).")
    alternatives: list[Alternative]
    watch: list[str] = Field(description="Categories whose watch level the scores reach.")
    reasons: list[ReasonOut] = Field(description="Why it went to this queue and no freer one.")
    policy_version: int
    uncertain: Uncertain | None
    badge: Literal["green", "amber", "refused"] | None = Field(
        default=None,
        description="green: ships; amber: ships and is reviewed; refused: does not ship, unless a "
        "person it waits for says so.",
    )
    citation: CitationOut | None = Field(
        default=None, description="The best block; null where the sentence does not ship."
    )
    contributions: ContributionsOut | None = Field(
        default=None, description="Null where no block supports the sentence."
    )
    warnings: list[WarningOut] | None = Field(default=None)
    erased_at: str | None = Field(
        default=None,
        description="When what the stored item held was erased; stands only where it was. The same "
        "body is then answered as before and not stored again.",
        json_schema_extra={"format": "date-time"},
    )


class VerdictOut(BaseModel):
    """What a person said, once it can no longer be undone."""

    kind: VerdictKind
    categories: list[str] = Field(description="One, or for an ambiguous item all that would do.")
    proposed_name: str = Field(description="For a category that is wanting.")
    comment: str
    answered_at: str = _time("When the person answered.")  # type: ignore[assignment]
    block: str | None = Field(
        default=None,
        description="Of a drafted sentence, as the next two: the id of the block that supports "
        "it; null where none was named.",
    )
    off_topic: bool | None = Field(
        default=None, description="Whether what was retrieved is about something else."
    )
    claims: list[bool] | None = Field(
        default=None, description="Of each claim that was posted whether it is supported."
    )


class RetryOut(BaseModel):
    """What a person asks of upstream for a refused sentence."""

    id: str
    how: Literal["rewrite", "widen"] = Field(
        description="rewrite: with another prompt; widen: with a wider retrieval"
    )
    note: str
    requested_at: str


class ItemOut(DecisionOut):
    """The latest decision with the item's state, and the verdict once it is published."""

    state: State = Field(
        description="routed: acted on, refused, or erased before anybody judged it; waiting: for a "
        "person; settled: by a verdict"
    )
    received_at: str = _time("When it was taken in.")  # type: ignore[assignment]
    fingerprint: str = Field(description="Of the body that was taken in, in hexadecimal.")
    verdict: VerdictOut | None
    retry_of: str | None = Field(
        default=None,
        description="Of a drafted sentence, as the next two: the refused one in whose place it is.",
    )
    retried_by: list[str] | None = Field(
        default=None, description="The sentences that were drafted in its place."
    )
    retry: RetryOut | None = None


class BatchLine(BaseModel):
    """The answer to one item of a batch: a decision, or the problem with it."""

    index: int = Field(description="The item's place in the batch, from 0.")
    status: int = Field(description="What the item would have been answered alone.")
    decision: DecisionOut | None = None
    problem: ProblemDocument | None = None


class BatchOut(BaseModel):
    taken: int = Field(description="Items that are new.")
    known: int = Field(description="Items that were taken in before with the same body.")
    refused: int
    results: list[BatchLine] = Field(description="One for each item, in their order.")


class StreamOut(BaseModel):
    key: str
    name: str
    policy_version: int | None = Field(description="In force; null until one is published.")


class LimitsOut(BaseModel):
    requests_per_minute: int | None = Field(description="Null: as many as you like.")
    item_bytes: int
    batch_bytes: int
    batch_items: int


class StreamsOut(BaseModel):
    streams: list[StreamOut]
    limits: LimitsOut


class CutOffsOut(BaseModel):
    """Lower bounds of the calibrated confidence for each queue; equal ones make an empty band."""

    auto: float
    flagged: float
    hold: float


class GatesOut(BaseModel):
    """Bounds on margin and entropy, null where there is none."""

    min_margin: float | None
    max_entropy: float | None
    distrust_entropy: float | None
    escalate_entropy: float | None


class DistrustedOut(BaseModel):
    """A category between two confidences, where it was found to be overconfident."""

    model_config = ConfigDict(populate_by_name=True)
    category: str
    from_: float = Field(alias="from")
    to: float


class CalibrationOut(BaseModel):
    map: str | None = Field(description="The kind of the stream's map; null: none.")
    model_versions: list[str] = Field(description="Those that the maps were fitted on.")
    on_other_model: Literal["warn", "flagged", "hold"]
    uncalibrated: Literal["warn", "flagged", "hold"]
    distrusted: list[DistrustedOut]


class CategoryOut(BaseModel):
    """A category with what holds for it, the stream's values merged in."""

    key: str = Field(description="Never changes; scores go by it.")
    label: str
    definition: str
    cut_offs: CutOffsOut
    watch: float | None = Field(description="The score from which an item is watched.")
    mandatory_review: bool = Field(description="Whether nothing of it is acted on by itself.")
    mandatory_reason: str
    map: str | None = Field(description="The kind of map that calibrates it; null: none.")


class GroundingOut(BaseModel):
    """How the signals of a drafted sentence are weighed, and the range of the reranker's gap."""

    entailment_weight: float
    gap_weight: float
    claims_weight: float
    gap_low: float
    gap_high: float


class PolicyOut(BaseModel):
    """The policy that decides the next item."""

    stream: str
    version: int
    title: str
    published_at: str = _time("Since when it holds.")  # type: ignore[assignment]
    cut_offs: CutOffsOut
    gates: GatesOut
    reject_action: Literal["refuse", "escalate"]
    calibration: CalibrationOut
    fallback: list[str] = Field(description="What is tried, in order, before a person is asked.")
    grounding: GroundingOut | None = Field(
        default=None, description="Of a stream of drafted sentences alone."
    )
    categories: list[CategoryOut] = Field(description="In the order that breaks ties.")


class AnswerOut(BaseModel):
    """A person's answer without its words; those are in `GET …/items/{external_id}`."""

    id: str
    kind: str = Field(examples=["category"])
    categories: list[str]
    answered_at: str
    block: str | None = Field(default=None, description="As in a verdict, and the next two.")
    off_topic: bool | None = None
    claims: list[bool] | None = None


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
