"""Known answers of the demo: held items that were settled as they were written to be."""

from collections.abc import Sequence
from typing import Final

from calibration.models import GroundTruth
from reviewqueue.demo import Prediction
from reviewqueue.known_answers import mark_known
from reviewqueue.models import KnownAnswer
from reviewqueue.verdicts import Answer
from routing.models import Decision, Stream

MARKED: Final = 12


def mark_some_known(stream: Stream, predictions: Sequence[Prediction]) -> int:
    """Mark the first held items whose label is their author's; how many there are then.

    Nothing where the stream slips nothing in, or was given known answers before.
    """
    marked = KnownAnswer.objects.filter(stream=stream).count()
    if not stream.known_rate or marked:
        return marked
    truths = {each.external_id: each.truth for each in predictions if not each.also}
    labels = GroundTruth.objects.current().filter(
        stream=stream,
        kind=GroundTruth.Kind.CATEGORY,
        decision__action=Decision.Action.WAIT,
        item__external_id__in=truths,
    )
    rows = labels.order_by("id").values_list("item__external_id", "categories")
    clear = [name for name, categories in rows if categories == [truths[name]]]
    for name in clear[:MARKED]:
        mark_known(
            stream=stream,
            external_id=name,
            answer=Answer("category", (truths[name],)),
            reason="As the demo's author wrote it.",
        )
    return len(clear[:MARKED])
