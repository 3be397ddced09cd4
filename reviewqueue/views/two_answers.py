"""The two answers that an adjudicator decides between, without their authors."""

from collections.abc import Callable, Collection
from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING, Final

from django.utils.translation import gettext as _

from reviewqueue.models import ReviewTask, Verdict
from reviewqueue.settlements import first_answers
from reviewqueue.views.given_grounds import word_grounds
from reviewqueue.views.progress import word_answer
from routing.models import Item

if TYPE_CHECKING:
    from django.contrib.auth.models import User

TAKING_KEYS: Final = "12"


@dataclass(frozen=True, slots=True)
class GivenAnswer:
    """What one of the two said. `hotkey` is empty where it cannot be taken as it is any more."""

    who: str
    hotkey: str
    kind: str
    words: str
    categories: tuple[str, ...]
    proposed_name: str
    comment: str
    block: str = ""
    off_topic: bool = False
    claims: tuple[bool, ...] = ()
    grounds: tuple[str, ...] = ()

    @property
    def keys(self) -> str:
        return " ".join(self.categories)

    @property
    def claims_said(self) -> str:
        """What was said of each claim, as the fields of the form have it."""
        return " ".join("yes" if one else "no" for one in self.claims)


def read_given_answers(
    *,
    user: "User",
    task: ReviewTask,
    label_of: Callable[[str], str],
    active: Collection[str],
) -> tuple[GivenAnswer, ...]:
    """Both answers, for who holds the adjudication's seat; nothing for anybody else.

    Who had a first seat may adjudicate other items of the stream, and must not read here what the
    other said. The order is that of a hash, so that it tells neither who nor when. `active` are
    the keys of the categories that can be chosen now.
    """
    if task.queue != ReviewTask.Queue.ADJUDICATION or task.holder_id != user.pk:
        return ()
    answers = first_answers([task.item_id])
    found = sorted(answers, key=lambda verdict: sha256(verdict.id.bytes).digest())
    names = (_("One reviewer"), _("Another reviewer"))
    return tuple(
        _describe(verdict, who, key, item=task.item, label_of=label_of, active=active)
        for verdict, who, key in zip(found, names, TAKING_KEYS, strict=False)
    )


def _describe(
    verdict: Verdict,
    who: str,
    hotkey: str,
    *,
    item: Item,
    label_of: Callable[[str], str],
    active: Collection[str],
) -> GivenAnswer:
    can_be_taken = all(key in active for key in verdict.categories)
    return GivenAnswer(
        who=who,
        hotkey=hotkey if can_be_taken else "",
        kind=verdict.kind,
        words=word_answer(verdict, label_of),
        categories=tuple(verdict.categories),
        proposed_name=verdict.proposed_name,
        comment=verdict.comment,
        block=verdict.block,
        off_topic=verdict.off_topic,
        claims=tuple(verdict.claims or ()),
        grounds=word_grounds(verdict, item),
    )
