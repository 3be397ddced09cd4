"""Streams of drafted sentences: what they start from. Their answers are two and stay so."""

from typing import Final

from django.db import transaction

from routing.core.grounding import DEFAULT_GROUNDING, NOT_SUPPORTED, SUPPORTED, Grounding
from routing.models import Category, Policy, Stream

REPORTING_EDGES: Final = (0.3, 0.5, 0.7, 0.85, 0.95)
# Green from the first, amber from the second; nothing is held, and under it all is refused.
CUT_OFFS: Final = {"auto": 0.85, "flagged": 0.50, "hold": 0.50}
# What a sentence is calibrated with is judged by two people, and a third where they differ.
DOUBLE_RATE: Final = 1.0
LABELS: Final = {
    SUPPORTED: ("Supported", "At least one block says what the sentence says."),
    NOT_SUPPORTED: ("Not supported", "No block says all of what the sentence says."),
}


@transaction.atomic
def open_grounded_stream(*, key: str, name: str, **fields: object) -> Stream:
    """A new stream of drafted sentences with its answers; `fields` are further ones of a stream.

    Without a policy, which a person drafts and publishes: `draft_grounded_policy`.
    """
    usual: dict[str, object] = {
        "reporting_edges": list(REPORTING_EDGES),
        "double_rate": DOUBLE_RATE,
    }
    stream = Stream.objects.create(
        key=key, name=name, kind=Stream.Kind.GROUNDED, **(usual | fields)
    )
    add_answers(stream)
    return stream


def add_answers(stream: Stream) -> list[Category]:
    """Give a stream of drafted sentences that has no categories yet its two answers."""
    return Category.objects.bulk_create(
        Category(stream=stream, key=key, label=label, definition=definition, position=position)
        for position, (key, (label, definition)) in enumerate(LABELS.items())
    )


def draft_grounded_policy(
    *,
    stream: Stream,
    created_by_id: int | None = None,
    grounding: Grounding = DEFAULT_GROUNDING,
    **fields: object,
) -> Policy:
    """A draft with the usual cut-offs and these weights; `fields` are further ones of a policy."""
    usual: dict[str, object] = {
        "title": "Green, amber, refused",
        **CUT_OFFS,
        "reporting_edges": stream.reporting_edges,
    }
    return Policy.objects.create(
        stream=stream,
        created_by_id=created_by_id,
        grounding=grounding.to_json(),
        **(usual | fields),
    )
