"""An item as it comes from outside. Plain pydantic, strict, nothing unknown taken."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from difflib import get_close_matches
from typing import Annotated, Any, Final, TypeVar

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from reviewqueue.refusals import ProblemError
from reviewqueue.strict_json import find_flaw
from routing.items import Post

F = TypeVar("F", bound=BaseModel)
Score = Annotated[float, Field(json_schema_extra={"minimum": 0, "maximum": 1})]

# Far beyond these a time cannot be read back from the database, or not be shown in every zone.
FIRST_DUE: Final = datetime(2000, 1, 1, tzinfo=UTC)
LAST_DUE: Final = datetime(2200, 1, 1, tzinfo=UTC)


ExternalId = Annotated[
    str,
    Field(min_length=1, max_length=200, pattern=r"^[^\x00-\x1f\x7f]*$", examples=["HD-4711"]),
]
ModelVersion = Annotated[str, Field(max_length=100, examples=["2026-10-01"])]
Priority = Annotated[int, Field(ge=-1000, le=1000)]
DueAt = Annotated[AwareDatetime, Field(strict=False, ge=FIRST_DUE, le=LAST_DUE)]


class ItemPost(BaseModel):
    """One item: what a reviewer reads, and what the model thinks of it."""

    model_config = ConfigDict(extra="forbid", strict=True)

    external_id: ExternalId
    payload: dict[str, Any] = Field(
        examples=[{"subject": "Locked out", "body": "Third time today, please help."}]
    )
    scores: dict[str, Score] = Field(
        description="Probability per category; unlisted ones share what is missing to 1. What "
        "stands on categories of the stream that its policy does not have is missing too.",
        examples=[{"account_unlock": 0.9, "vpn_issue": 0.06, "security_incident": 0.04}],
        json_schema_extra={"minProperties": 1},
    )
    signals: dict[str, Any] = Field(default_factory=dict)
    secondary: dict[str, Score] = Field(
        default_factory=dict, description="Scores of a second model."
    )
    model_version: ModelVersion = ""
    priority: Priority = 0
    due_at: DueAt | None = None
    metadata: dict[str, Any] = Field(default_factory=dict)


class TriedPost(ItemPost):
    """An item of which nothing is stored: the scores are enough."""

    external_id: str = Field(default="", max_length=200, examples=["HD-4711"])
    payload: dict[str, Any] = Field(default_factory=dict)


FIELDS: Final = tuple(ItemPost.model_fields)
ADVICE: Final[Mapping[str, str]] = {
    "missing": "is missing; add it",
    "float_type": "is no number; send a probability such as 0.25",
    "string_type": "is no string; send text in quotes",
    "dict_type": "is no object; send a JSON object",
    "list_type": "is no array; send a JSON array",
    "model_type": "is no object; send a JSON object",
    "int_type": "is no integer; send a whole number",
    "string_too_short": "is empty; give it a value",
    "string_pattern_mismatch": "holds a line break or a control character; leave it out",
    "timezone_aware": "has no time zone; write 2026-01-31T12:00:00Z",
}


def check_post(parsed: object, form: type[ItemPost] = ItemPost, *, is_sound: bool = False) -> Post:
    """A parsed body as a post, by the form of the call; `is_sound` where it can hold no flaw.

    Raises:
        ProblemError: names the field, its value and what to do.
    """
    if isinstance(parsed, dict) and form is ItemPost and _is_plain(parsed):
        refuse_flaw(parsed, is_sound=is_sound)
        return Post(**parsed)
    checked = check_form(parsed, form, FIELDS, is_sound=is_sound)
    return Post(
        external_id=checked.external_id,
        payload=checked.payload,
        scores=checked.scores,
        signals=checked.signals,
        secondary=checked.secondary,
        metadata=checked.metadata,
        model_version=checked.model_version,
        priority=checked.priority,
        due_at=checked.due_at,
    )


def _is_plain(parsed: dict[str, object]) -> bool:
    """Whether every field is plainly what the form takes as it is; else the form has its say.

    Most items are, and the form takes several times as long to find that out.
    """
    if not _NEEDED <= parsed.keys() <= _PLAIN_FIELDS:
        return False
    external_id, payload, scores = parsed["external_id"], parsed["payload"], parsed["scores"]
    return (
        type(external_id) is str
        and 0 < len(external_id) <= 200
        and external_id.isprintable()
        and type(payload) is dict
        and type(scores) is dict
        and set(map(type, scores.values())) <= _FLOATS
        and all(_is_plain_extra(name, parsed[name]) for name in parsed.keys() - _NEEDED)
    )


def _is_plain_extra(name: str, value: object) -> bool:
    if name == "model_version":
        return type(value) is str and len(value) <= 100
    if type(value) is not dict:
        return False
    return name != "secondary" or set(map(type, value.values())) <= _FLOATS


_NEEDED: Final = frozenset({"external_id", "payload", "scores"})
_PLAIN_FIELDS: Final = _NEEDED | {"model_version", "secondary", "signals", "metadata"}
_FLOATS: Final = frozenset({float})


def check_form(
    parsed: object, form: type[F], fields: Sequence[str], *, is_sound: bool = False
) -> F:
    """A parsed body in its form, whose fields are named to who mistypes one.

    Raises:
        ProblemError: names the field, its value and what to do.
    """
    refuse_flaw(parsed, is_sound=is_sound)
    try:
        return form.model_validate(parsed)
    except ValidationError as error:
        raise _problem(error, fields) from error


def refuse_flaw(parsed: object, *, is_sound: bool) -> None:
    """Raises ProblemError where the body holds what cannot be stored; a sound one cannot."""
    flaw = None if is_sound else find_flaw(parsed)
    if flaw is not None:
        field = flaw.field or "body"
        detail = f"{field} {flaw.message}."
        raise ProblemError("invalid", detail, field=field, value=flaw.value)


def _problem(error: ValidationError, fields: Sequence[str]) -> ProblemError:
    first = error.errors(include_url=False, include_context=False)[0]
    field = ".".join(str(part) for part in first["loc"]) or "body"
    if first["type"] == "extra_forbidden":
        close = get_close_matches(field, fields, n=1)
        hint = f"did you mean {close[0]}?" if close else f"known are {', '.join(fields)}."
        detail = f"{field} is no field of an item; {hint}"
    else:
        advice = ADVICE.get(first["type"])
        detail = f"{field} {advice}." if advice else f"{field}: {first['msg']}."
        if first["type"] == "value_error":  # in words of our own
            detail = f"{field} {first['msg'].removeprefix('Value error, ')}."
    value = None if first["type"] == "missing" else first["input"]
    return ProblemError("invalid", detail, field=field, value=value)
