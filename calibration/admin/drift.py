"""What the drift watch says of a stream, in words, and the list of its alarms."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import formats, timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from calibration.models import DriftAlarm, DriftWatch
from calibration.watches import find_watch
from routing.admin.filters import StreamFilter
from routing.admin.readonly import ReadOnly
from routing.alarms import SHOWN, AlarmWords
from routing.models import Stream


@dataclass(frozen=True, slots=True)
class DriftWords:
    """The watch of now as people read it: how it stands, how scores have moved, its alarms."""

    promise: str
    shift: str
    alarms: list[AlarmWords]


def read_drift(stream: Stream) -> DriftWords:
    """What the drift watch says of a stream; alarms of all categories together come first."""
    watch, stretch = find_watch(stream=stream)
    if stretch is None:
        nothing = _("Nothing is published yet, so there is no promise to watch.")
        return DriftWords(nothing, "", [])
    alarms = list(watch.alarms.order_by("category", "-id")[: SHOWN + 1]) if watch else []
    return DriftWords(
        _word_promise(watch, stretch.first_version, alarms),
        _word_shift(watch),
        _word_alarms(stream, stretch.first_version, alarms),
    )


def _word_promise(watch: DriftWatch | None, version: int, alarms: Sequence[DriftAlarm]) -> str:
    if watch is None or watch.evidence is None or watch.threshold is None:
        facts: dict[str, object] = {"version": version}
        return _("No audited item has been settled since version %(version)s.") % facts
    facts = {
        "audits": formats.number_format(watch.audits),
        "version": version,
        "evidence": _show_evidence(watch.evidence),
        "threshold": f"{watch.threshold:.0f}",
    }
    if any(not alarm.category for alarm in alarms):
        text = _("Drifted: %(audits)s audits since version %(version)s, see the alarm above.")
    elif alarms:
        text = _(
            "Drifted in single categories, see above. All together: %(audits)s audits since "
            "version %(version)s, evidence %(evidence)s of %(threshold)s."
        )
    else:
        text = _(
            "No sign of drift: %(audits)s audits since version %(version)s, evidence %(evidence)s "
            "of %(threshold)s."
        )
    return text % facts


def _word_shift(watch: DriftWatch | None) -> str:
    if watch is None or not watch.shift:
        return _("Compared from a week after new maps are published.")
    return _("Scores of the last week: %(scores)s. Queue shares: %(queues)s.") % {
        "scores": _word_index(watch.shift["scores"]),
        "queues": _word_index(watch.shift["queues"]),
    }


def _word_alarms(stream: Stream, version: int, alarms: Sequence[DriftAlarm]) -> list[AlarmWords]:
    if not alarms:
        return []
    labels = dict(stream.categories.values_list("key", "label"))
    words = [_word_alarm(alarm, version, labels) for alarm in alarms[:SHOWN]]
    if len(alarms) > SHOWN:
        words.append(
            AlarmWords(
                _("More categories than these have drifted."),
                _("The list of drift alarms has them all."),
            )
        )
    return words


def _word_alarm(alarm: DriftAlarm, version: int, labels: dict[str, str]) -> AlarmWords:
    facts = {
        "what": labels.get(alarm.category, alarm.category) or _("All categories"),
        "day": formats.date_format(timezone.localtime(alarm.raised_at), "j M"),
        "errors": alarm.errors,
        "audits": formats.number_format(alarm.audits),
        "promised": _show_promised(alarm),
        "version": version,
    }
    if alarm.side == DriftAlarm.Side.MORE:
        what = _(
            "%(what)s: more errors than promised (%(day)s). %(errors)s in %(audits)s audits since "
            "version %(version)s, %(promised)s were promised."
        )
    else:
        what = _(
            "%(what)s: fewer errors than promised (%(day)s). %(errors)s in %(audits)s audits since "
            "version %(version)s, %(promised)s were promised."
        )
    todo = _(
        "It starts a recalibration; publish its draft, or recalibrate again with newer labels."
    )
    return AlarmWords(what % facts, todo)


def _word_index(found: dict[str, Any]) -> str:
    if found["value"] is None:
        return _("not enough items to compare")
    words = {
        "stable": _("stable (index %(value)s)"),
        "moved": _("moved (index %(value)s, under 0.10 is stable)"),
        "shifted": _("shifted (index %(value)s, under 0.10 is stable)"),
    }
    return words[found["verdict"]] % {"value": f"{found['value']:.2f}"}


def _show_promised(alarm: DriftAlarm) -> str:
    # Django cuts decimals off, and 2.9999 was a promise of three.
    return formats.number_format(round(alarm.promised_errors, 1), 1)


def _show_evidence(evidence: float) -> str:
    return f"{evidence:.1f}" if evidence < 1000.0 else f"{evidence:.0e}"


@admin.register(DriftAlarm)
class DriftAlarmAdmin(ReadOnly):
    list_display = (
        "raised_at",
        "stream",
        "in_category",
        "side",
        "found",
        "strength",
    )
    list_filter = (StreamFilter, "side", "raised_at")
    search_exact = "category"
    search_help_text = gettext_lazy("The whole key of a category")
    fields = (
        "stream",
        "since",
        "in_category",
        "side",
        "raised_at",
        "found",
        "strength",
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[DriftAlarm]:
        found: QuerySet[DriftAlarm] = super().get_queryset(request)
        return found.select_related("stream", "watch__policy__stream")

    @admin.display(description=gettext_lazy("category"))
    def in_category(self, alarm: DriftAlarm) -> str:
        return alarm.category or _("all categories")

    @admin.display(description=gettext_lazy("errors"))
    def found(self, alarm: DriftAlarm) -> str:
        return _("%(errors)s in %(audits)s audits, %(promised)s promised") % {
            "errors": alarm.errors,
            "audits": formats.number_format(alarm.audits),
            "promised": _show_promised(alarm),
        }

    @admin.display(description=gettext_lazy("evidence"))
    def strength(self, alarm: DriftAlarm) -> str:
        return _("%(evidence)s of %(threshold)s") % {
            "evidence": _show_evidence(alarm.evidence),
            "threshold": f"{alarm.threshold:.0f}",
        }

    @admin.display(description=gettext_lazy("since"))
    def since(self, alarm: DriftAlarm) -> str:
        watch: DriftWatch = alarm.watch
        return _("%(policy)s, model %(model)s") % {
            "policy": watch.policy,
            "model": watch.model_version or _("without a version"),
        }
