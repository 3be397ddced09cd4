"""What others say on stored items, for a policy's fallback chain."""

from collections.abc import Mapping, Sequence
from uuid import UUID

from routing.core.policy import Policy as PolicySpec
from routing.core.rules import Opinions, RemoteAnswer
from routing.models import Decision, Item


def read_opinions(spec: PolicySpec, item_ids: Sequence[UUID]) -> Opinions:
    """The opinions that the chain of `spec` asks for, an entry for each id in order.

    Keyword rules read the payload anew, so they may be others than those the item was decided
    with. A remote model is not asked: what the one that `spec` names said before is taken.
    """
    steps = spec.fallback.steps
    secondary = _read_field("secondary", item_ids) if "secondary" in steps else {}
    payloads = _read_field("payload", item_ids) if "rules" in steps else {}
    remote = _read_answers(spec.fallback.remote_model, item_ids) if "remote" in steps else {}
    return Opinions(
        secondary=[secondary.get(item_id, {}) for item_id in item_ids],
        matched=[
            spec.fallback.match(payloads[item_id]) if item_id in payloads else ()
            for item_id in item_ids
        ],
        remote=[remote.get(item_id) for item_id in item_ids],
    )


def _read_field(name: str, item_ids: Sequence[UUID]) -> dict[UUID, Mapping[str, float]]:
    return dict(Item.objects.filter(id__in=item_ids).values_list("id", name))


def _read_answers(model: str, item_ids: Sequence[UUID]) -> dict[UUID, RemoteAnswer]:
    answered = Decision.objects.filter(
        item__in=item_ids, remote_answer__isnull=False, policy__remote_model__name=model
    )
    found = answered.order_by("item_id", "id").values_list("item_id", "remote_answer")
    return {item_id: RemoteAnswer(**answer) for item_id, answer in found if answer}
