"""A drafted sentence as it comes from outside, with what was retrieved for it.

The signals are checked where the evidence is read, which names the one that is missing.
"""

from collections.abc import Sequence
from typing import Annotated, Any, Final

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from reviewqueue.posts import (
    DueAt,
    ExternalId,
    ItemPost,
    ModelVersion,
    Priority,
    TriedPost,
    check_form,
    check_post,
)
from reviewqueue.refusals import ProblemError
from routing.core.evidence import read_date
from routing.core.grounding import LARGEST_SCORE
from routing.items import Grounds, Post
from routing.models import Stream

MOST_BLOCKS: Final = 20
MOST_CLAIMS: Final = 100
LONGEST_SENTENCE: Final = 10_000
LONGEST_TEXT: Final = 20_000
LONGEST_CLAIM: Final = 2_000
LAST_POSITION: Final = 1_000_000
ONLY_HERE: Final = ("blocks", "claims", "draft", "position", "retry_of")
ONLY_SCORED: Final = ("scores", "secondary")


def _check_date(text: str) -> str:
    try:
        read_date(text)
    except ValueError:
        raise ValueError("is no date; write 2026-01-31") from None
    return text


def _check_score(value: object) -> object:
    """In words of its own: a reranker's score is no probability, and may be on any scale."""
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if not is_number or not -LARGEST_SCORE <= value <= LARGEST_SCORE:  # type: ignore[operator]
        raise ValueError(
            f"is no number between {-LARGEST_SCORE:,.0f} and {LARGEST_SCORE:,.0f}; "
            "send the reranker's score on its own scale, such as 7.5"
        )
    return value


class BlockPost(BaseModel):
    """A piece of a source, and how the reranker scored it for the sentence."""

    model_config = ConfigDict(extra="forbid", strict=True)

    id: str = Field(min_length=1, max_length=200, examples=["files#limits"])
    title: str = Field(default="", max_length=500, examples=["Limits of a file"])
    text: str = Field(max_length=LONGEST_TEXT, examples=["A file of more than 10 MB is refused."])
    score: Annotated[float, BeforeValidator(_check_score)] = Field(
        ge=-LARGEST_SCORE,
        le=LARGEST_SCORE,
        description="The reranker's, on whatever scale the policy's range is told in.",
        examples=[0.9],
    )
    link: str = Field(
        default="", max_length=2000, description="Where it can be read.", examples=[""]
    )
    date: Annotated[str, AfterValidator(_check_date)] | None = Field(
        default=None,
        max_length=40,
        description="When it was last changed, as 2026-01-31; null: not known.",
        examples=["2026-09-01"],
        json_schema_extra={"format": "date"},
    )


class ClaimPost(BaseModel):
    """One claim of the sentence, and how probably the sources say so."""

    model_config = ConfigDict(extra="forbid", strict=True)

    text: str = Field(min_length=1, max_length=LONGEST_CLAIM)
    entailment_probability: Annotated[float, Field(ge=0, le=1)] = Field(examples=[0.91])


class SentencePayload(BaseModel):
    """What a reviewer reads: the sentence, and whatever else is of use."""

    model_config = ConfigDict(extra="allow", strict=True)

    sentence: str = Field(
        min_length=1,
        max_length=LONGEST_SENTENCE,
        examples=["An import file may have at most 10 MB."],
    )


class SentencePost(BaseModel):
    """One drafted sentence: what a reviewer reads, its sources, and the signals."""

    model_config = ConfigDict(extra="forbid", strict=True)

    external_id: ExternalId
    payload: SentencePayload
    blocks: list[BlockPost] = Field(
        max_length=MOST_BLOCKS,
        description="What was retrieved; the one with the highest score is cited. Empty: nothing "
        "was, and the sentence is refused.",
    )
    signals: dict[str, Any] = Field(
        default_factory=dict,
        description="entailment_probability (0 to 1) and claim_count (a whole number), unless "
        "claims tell them. Others are kept and not used: neither a confidence that the model "
        "reports of itself nor similarity nor perplexity is one.",
        examples=[{"entailment_probability": 0.91, "claim_count": 2}],
    )
    claims: list[ClaimPost] = Field(
        default_factory=list,
        max_length=MOST_CLAIMS,
        description="The sentence taken apart, if upstream does: each claim is judged by itself. "
        "Their number is the claim count, their least probability the sentence's, unless signals "
        "say otherwise.",
    )
    draft: str = Field(
        default="",
        max_length=200,
        pattern=r"^[^\x00-\x1f\x7f]*$",
        description="The text that it is a sentence of, under an id of yours.",
        examples=["letter-7"],
    )
    position: int | None = Field(
        default=None, ge=0, le=LAST_POSITION, description="Its place in the draft.", examples=[3]
    )
    retry_of: str = Field(
        default="",
        max_length=200,
        description="The external id of the refused sentence in whose place it was drafted.",
    )
    model_version: ModelVersion = ""
    priority: Priority = 0
    due_at: DueAt | None = None
    metadata: dict[str, Any] = Field(default_factory=dict)


class TriedSentence(SentencePost):
    """A sentence of which nothing is stored; it needs no id."""

    external_id: str = Field(default="", max_length=200, examples=["letter-7-3"])


FIELDS: Final = tuple(SentencePost.model_fields)


def read_post(
    stream: Stream, parsed: object, *, tried: bool = False, is_sound: bool = False
) -> Post:
    """A parsed body as a post to the stream, or as one of which nothing is to be stored.

    `is_sound` where it can hold no flaw.

    Raises:
        ProblemError: names the field, its value and what to do.
    """
    if stream.is_grounded:
        form = TriedSentence if tried else SentencePost
        return _check_sentence(parsed, form, is_sound=is_sound)
    _refuse_fields(parsed, ONLY_HERE, "drafted sentences have; this stream takes scores")
    return check_post(parsed, TriedPost if tried else ItemPost, is_sound=is_sound)


def _check_sentence(parsed: object, form: type[SentencePost], *, is_sound: bool) -> Post:
    _refuse_fields(
        parsed, ONLY_SCORED, "no drafted sentence has; this stream takes blocks and signals"
    )
    checked = check_form(parsed, form, FIELDS, is_sound=is_sound)
    _check_ids(checked.blocks)
    return Post(
        external_id=checked.external_id,
        payload=checked.payload.model_dump(),
        scores={},
        signals=checked.signals,
        metadata=checked.metadata,
        model_version=checked.model_version,
        priority=checked.priority,
        due_at=checked.due_at,
        grounds=Grounds(
            blocks=[block.model_dump() for block in checked.blocks],
            claims=[claim.model_dump() for claim in checked.claims],
            draft=checked.draft,
            position=checked.position,
            retry_of=checked.retry_of,
        ),
    )


def _check_ids(blocks: Sequence[BlockPost]) -> None:
    """A verdict says by its id which block supports the sentence."""
    seen: set[str] = set()
    for place, block in enumerate(blocks):
        if block.id in seen:
            field = f"blocks.{place}.id"
            detail = f"{field} is another block's too; give each its own."
            raise ProblemError("invalid", detail, field=field, value=block.id)
        seen.add(block.id)


def _refuse_fields(parsed: object, names: tuple[str, ...], why: str) -> None:
    if not isinstance(parsed, dict) or parsed.keys().isdisjoint(names):
        return
    name = next(name for name in names if name in parsed)
    raise ProblemError("invalid", f"{name} is a field that {why}.", field=name)
