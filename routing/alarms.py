"""Alarms: model versions that a policy's maps were not fitted on, noted once and said in words."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Final
from uuid import UUID

from django.db import connection
from django.db.models import OuterRef, Subquery
from django.utils import formats, timezone
from django.utils.translation import gettext as _

from routing.core.policy import Policy as PolicySpec
from routing.ids import uuid7
from routing.models import Event, ModelAlarm, Policy

if TYPE_CHECKING:
    from django.db.models import QuerySet

    from routing.models import Stream

SHOWN: Final = 5


@dataclass(frozen=True, slots=True)
class AlarmWords:
    """An alarm as people read it: what is so, and what to do."""

    what: str
    todo: str


def find_unknown(spec: PolicySpec, model_versions: Iterable[str]) -> list[str]:
    """Those versions, each once and sorted, that the policy routes uncalibrated."""
    return sorted(set(model_versions).difference(spec.model_versions)) if spec.maps else []


def note_unknown_models(
    *,
    stream_id: UUID,
    policy_id: UUID,
    spec: PolicySpec,
    model_versions: Iterable[str],
    at: datetime,
) -> list[str]:
    """Note versions of newly stored items that the maps do not know; returns those that are new.

    Belongs into the transaction that stores the items. No statement where all are known; else one
    or, for the first items of a version, two. Each new version leaves one event.
    """
    unknown = find_unknown(spec, model_versions)
    if not unknown:
        return []
    with connection.cursor() as cursor:
        cursor.execute(
            """
            INSERT INTO routing_modelalarm (id, stream_id, policy_id, model_version, first_seen_at)
            SELECT id, %s, %s, model_version, %s
            FROM unnest(%s::uuid[], %s::text[]) AS seen (id, model_version)
            ON CONFLICT (stream_id, policy_id, model_version) DO NOTHING
            RETURNING model_version
            """,
            [stream_id, policy_id, at, [uuid7() for _version in unknown], unknown],
        )
        new = sorted(row[0] for row in cursor.fetchall())
    Event.objects.bulk_create(
        Event(
            stream_id=stream_id,
            kind="model_version.unknown",
            subject_id=policy_id,
            data={
                "model_version": version,
                "fitted_on": list(spec.model_versions),
                "policy_version": spec.version,
                "policy_says": spec.on_other_model,
            },
            happened_at=at,
        )
        for version in new
    )
    return new


def alarms_of(policy: Policy) -> list[ModelAlarm]:
    """A policy's newest alarms, one more than `SHOWN` at most."""
    found = ModelAlarm.objects.filter(stream=policy.stream_id, policy=policy)
    return _newest(found)


def alarms_in_force(streams: "QuerySet[Stream]") -> list[ModelAlarm]:
    """The newest alarms of these streams' published policies, one more than `SHOWN` at most.

    Publishing another version ends an alarm; if the version is still unknown, it is noted anew.
    """
    published = Policy.objects.published().filter(stream=OuterRef("stream"))
    in_force = Subquery(published.order_by("-version").values("id")[:1])
    return _newest(ModelAlarm.objects.filter(stream__in=streams, policy=in_force))


def _newest(found: "QuerySet[ModelAlarm]") -> list[ModelAlarm]:
    return list(found.select_related("policy", "stream").order_by("-id")[: SHOWN + 1])


def word_alarm(alarm: ModelAlarm) -> AlarmWords:
    """An alarm, its policy loaded, with the day in the current time zone."""
    policy = alarm.policy
    facts = {
        "version": alarm.model_version,
        "day": formats.date_format(timezone.localtime(alarm.first_seen_at), "j M"),
        "policy": policy.version,
        "fitted": ", ".join(policy.model_versions),
        "consequence": _word_consequence(policy.on_other_model),
    }
    if not alarm.model_version:
        return AlarmWords(
            _(
                "Items without a model version have come since %(day)s; version %(policy)s's maps "
                "were fitted on %(fitted)s. They are routed uncalibrated (%(consequence)s)."
            )
            % facts,
            _("Let upstream send the model version with each item."),
        )
    return AlarmWords(
        _(
            "Model version %(version)s has come since %(day)s; version %(policy)s's maps were "
            "fitted on %(fitted)s. Its items are routed uncalibrated (%(consequence)s)."
        )
        % facts,
        _(
            "Recalibrate on %(version)s's labels, or list it in a new version of the policy if it "
            "is the same model."
        )
        % facts,
    )


def word_alarms(alarms: Sequence[ModelAlarm]) -> list[AlarmWords]:
    """Up to `SHOWN` alarms in words, and a line that there are more."""
    words = [word_alarm(alarm) for alarm in alarms[:SHOWN]]
    if len(alarms) > SHOWN:
        words.append(
            AlarmWords(
                _("More model versions than these have come."),
                _("If each item brings its own, let upstream send one name per model."),
            )
        )
    return words


def _word_consequence(on_other_model: str) -> str:
    return {
        Policy.OtherModel.FLAGGED: _("at least flagged"),
        Policy.OtherModel.HOLD: _("held"),
    }.get(Policy.OtherModel(on_other_model), _("with a warning"))
