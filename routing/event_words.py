"""Kinds of events in words: the one table, for the log, the items' pages and the admin."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from django.utils.translation import gettext_lazy as _

if TYPE_CHECKING:
    from django.utils.functional import _StrPromise


@dataclass(frozen=True, slots=True)
class EventWords:
    """`did`: as it is said of somebody who did it, or of nobody.

    `of_item`: as an item's own page says it, with `who` and `answer`; empty where it is of no item.
    """

    did: "_StrPromise"
    of_item: "_StrPromise | str" = ""


EVENT_WORDS: Final[Mapping[str, EventWords]] = {
    "apikey.changed": EventWords(_("changed an API key")),
    "apikey.created": EventWords(_("issued an API key")),
    "apikey.revoked": EventWords(_("revoked an API key")),
    "audit.opened": EventWords(_("seats of the week's audit opened")),
    "calibration.measured": EventWords(_("measured the calibration")),
    "calibration.proposed": EventWords(_("a recalibration proposed a draft")),
    "calibration.requested": EventWords(_("asked for a recalibration")),
    "category.changed": EventWords(_("changed a category")),
    "category.created": EventWords(_("added a category")),
    "category.deleted": EventWords(_("deleted a category")),
    "category.retired": EventWords(_("retired a category")),
    "category.revived": EventWords(_("made a category active again")),
    "comment.erased": EventWords(
        _("erased a comment"),
        _("A comment was erased"),
    ),
    "drift.alarm": EventWords(_("the drift watch raised an alarm")),
    "item.erased": EventWords(
        _("erased what an item held"),
        _("What it held was erased"),
    ),
    "knownanswer.created": EventWords(_("marked a known answer")),
    "knownanswer.retired": EventWords(_("retired a known answer")),
    "membership.changed": EventWords(_("changed a role")),
    "membership.created": EventWords(_("gave a role")),
    "membership.deleted": EventWords(_("took a role away")),
    "model_version.unknown": EventWords(_("an unknown model version came")),
    "policy.drafted": EventWords(_("drafted a policy")),
    "policy.mandatory_lifted": EventWords(_("turned mandatory review off")),
    "policy.published": EventWords(_("published a policy")),
    "remotemodel.changed": EventWords(_("changed a remote model")),
    "remotemodel.created": EventWords(_("added a remote model")),
    "remotemodel.deleted": EventWords(_("deleted a remote model")),
    "retry.requested": EventWords(
        _("asked for a sentence to be drafted again"),
        _("%(who)s asked for the sentence to be drafted again"),
    ),
    "stream.changed": EventWords(_("changed the stream")),
    "stream.created": EventWords(_("made the stream")),
    "stream.exported": EventWords(_("exported items")),
    "stream.imported": EventWords(_("imported items")),
    "task.escalated": EventWords(
        _("handed an item to the experts"),
        _("%(who)s handed it to the experts"),
    ),
    "task.escalation_undone": EventWords(
        _("took an escalation back"),
        _("%(who)s took it back from the experts"),
    ),
    "task.released": EventWords(
        _("gave a task back to its queue"),
        _("An admin gave it back to the queue"),
    ),
    "task.skip_undone": EventWords(
        _("took a skip back"),
        _("%(who)s took it back in hand"),
    ),
    "task.skipped": EventWords(
        _("passed an item on"),
        _("%(who)s passed it on"),
    ),
    "tasks.brought_forward": EventWords(_("brought tasks forward")),
    "verdict.overturn_undone": EventWords(
        _("took an overturn back"),
        _("%(who)s took the overturn back: %(answer)s stands again"),
    ),
    "verdict.overturned": EventWords(
        _("overturned a verdict"),
        _("%(who)s overturned the answer: %(answer)s"),
    ),
    "verdict.recorded": EventWords(
        _("answered"),
        _("%(who)s answered: %(answer)s"),
    ),
    "verdict.undone": EventWords(
        _("took an answer back"),
        _("%(who)s took the answer back"),
    ),
    "webhook.changed": EventWords(_("changed a webhook")),
    "webhook.created": EventWords(_("added a webhook")),
    "webhook.deleted": EventWords(_("deleted a webhook")),
    "webhook.disabled": EventWords(_("switched a webhook off")),
    "webhook.paused": EventWords(_("paused a webhook")),
    "webhook.resumed": EventWords(_("resumed a webhook")),
    "webhook.secret_rotated": EventWords(_("gave a webhook a new secret")),
}


def word_kind(kind: str) -> str:
    """What happened, in words; a kind that has none here is shown by its own name."""
    words = EVENT_WORDS.get(kind)
    return kind.replace(".", " ").replace("_", " ") if words is None else str(words.did)


def word_for_item(kind: str, *, who: str, answer: str) -> str:
    """What happened to an item, as a sentence; `answer` is what was answered by it."""
    words = EVENT_WORDS.get(kind)
    if words is None or not words.of_item:
        return f"{who} {word_kind(kind)}"
    return str(words.of_item) % {"who": who, "answer": answer}
