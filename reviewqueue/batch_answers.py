"""What confirming a row of the flagged batch says: the machine's answer as a person's."""

from collections.abc import Collection
from uuid import UUID

from reviewqueue.grounds import cited_block
from reviewqueue.models import ReviewTask, Verdict
from reviewqueue.verdicts import Answer
from routing.core.grounding import SUPPORTED
from routing.models import Decision, Item, Stream


def machine_answer(decision: Decision) -> str:
    """The category that is acted on: a second opinion's, else the prediction."""
    return decision.category or decision.predicted


def confirming_answer(
    decision: Decision, *, sentence: Item | None = None, block: str | None = None
) -> Answer:
    """The answer that confirms a decision, as the screen for one item would send it.

    `sentence`: the drafted sentence that was decided on, None of any other item. It is supported by
    `block`, "" for none in particular; by the block that the machine cites where none was named.
    """
    machine = machine_answer(decision)
    if sentence is None or machine != SUPPORTED:
        return Answer(Verdict.Kind.CATEGORY, (machine,))
    chosen = (cited_block(sentence) or "") if block is None else block
    return Answer(Verdict.Kind.CATEGORY, (machine,), block=chosen)


def read_sentences(stream: Stream, tasks: Collection[ReviewTask]) -> dict[UUID, Item]:
    """The tasks' items by id, with their blocks; none where the stream has no sentences."""
    if not stream.is_grounded:
        return {}
    found = Item.objects.only("blocks", "claims")
    return found.in_bulk([task.item_id for task in tasks])
