"""The error budgets of all streams on one page: promised, certified, measured, still needed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from django.core.exceptions import PermissionDenied
from django.db.models import JSONField, Q
from django.db.models.fields.json import KeyTransform
from django.http import HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from calibration.models import CalibrationRun
from reviewqueue.access import streams_analysed_by
from reviewqueue.htmx import PersonRequest, signed_in
from reviewqueue.insight.figures import Measured
from reviewqueue.insight.sheets import ask_for_first
from reviewqueue.insight_models import InsightSheet
from reviewqueue.views.insight.pages import NOTHING, as_percent, as_range, judge_rate
from routing.core.signals import show_number
from routing.models import Policy, Stream

Certificate = Mapping[str, float | None]
WHAT_IF: Final = InsightSheet.Kind.WHAT_IF
BUDGET: Final = InsightSheet.Kind.BUDGET


@dataclass(frozen=True, slots=True)
class InForce:
    """A stream's published policy, as far as the page needs it."""

    id: UUID
    auto: float


@dataclass(frozen=True, slots=True)
class BudgetLine:
    """One stream: what it promises, and how far that is shown.

    `state` says whether the measured errors are within the budget: kept, broken, or open where the
    interval leaves it open; empty without a budget or labels.
    """

    name: str
    address: str
    promised: str
    implied: str
    certified: str
    where: str
    measured: str
    interval: str
    labels: int
    needed: str
    state: str


@require_safe
@signed_in
def budgets(request: PersonRequest) -> HttpResponse:
    """Every stream that the person may analyse; a constant number of queries."""
    streams = list(streams_analysed_by(request.user).order_by("name"))
    if not streams:
        raise PermissionDenied
    policies = _read_policies(streams)
    certificates = _read_certificates(streams)
    measured = _read_measured([stream for stream in streams if stream.id in policies])
    lines = [
        _draw(stream, policies.get(stream.id), certificates, measured.get(stream.id))
        for stream in streams
    ]
    context = {
        "section": "budgets",
        "is_demo": any(stream.is_demo for stream in streams),
        "lines": lines,
    }
    return render(request, "insight/budgets.html", context)


def _read_policies(streams: Sequence[Stream]) -> dict[UUID, InForce]:
    newest = (
        Policy.objects.published()
        .filter(stream__in=streams)
        .order_by("stream_id", "-version")
        .distinct("stream_id")
        .values_list("stream_id", "id", "auto")
    )
    return {stream_id: InForce(policy_id, auto) for stream_id, policy_id, auto in newest}


def _read_certificates(
    streams: Sequence[Stream],
) -> dict[UUID, tuple[UUID, UUID | None, Certificate]]:
    """Of each stream's newest run with a certificate: its policy, its draft and what it says."""
    found = (
        CalibrationRun.objects.filter(stream__in=streams, report__has_key="certificate")
        .exclude(report__certificate=None)
        .order_by("stream_id", "-created_at")
        .distinct("stream_id")
        .annotate(said=KeyTransform("certificate", "report", output_field=JSONField()))
        .values_list("stream_id", "policy_id", "draft_id", "said")
    )
    return {
        stream_id: (policy_id, draft_id, said) for stream_id, policy_id, draft_id, said in found
    }


def _read_measured(streams: Sequence[Stream]) -> dict[UUID, Measured]:
    """What the sheets measured; those that never were made are asked for.

    Of drafted sentences by the budget sheet, since amber ones ship too, else by the what-if sheet.
    """
    by_kind = {
        kind: [stream for stream in streams if stream.is_grounded == (kind == BUDGET)]
        for kind in (WHAT_IF, BUDGET)
    }
    is_its_own = Q(stream__in=by_kind[WHAT_IF], kind=WHAT_IF) | Q(
        stream__in=by_kind[BUDGET], kind=BUDGET
    )
    rows = (
        InsightSheet.objects.filter(is_its_own)
        .annotate(said=KeyTransform("measured", "figures", output_field=JSONField()))
        .values_list("stream_id", "said")
    )
    found = dict(rows)
    for kind, own in by_kind.items():
        if missing := [stream for stream in own if stream.id not in found]:
            ask_for_first(streams=missing, kind=kind)
    return {stream_id: said for stream_id, said in found.items() if said}


def _draw(
    stream: Stream,
    policy: InForce | None,
    certificates: Mapping[UUID, tuple[UUID, UUID | None, Certificate]],
    measured: Measured | None,
) -> BudgetLine:
    under, draft, certificate = certificates.get(stream.id, (None, None, {}))
    is_in_force = policy is not None and policy.id in (under, draft)
    cut_off = certificate.get("cut_off") if is_in_force else None
    needed = certificate.get("audits_needed")
    return BudgetLine(
        name=stream.name,
        address=reverse(
            "insight-budget" if stream.is_grounded else "insight-what-if", args=[stream.key]
        ),
        promised=NOTHING if stream.error_budget is None else _share(stream.error_budget),
        implied=""
        if policy is None or stream.error_budget is not None
        else _("auto from %(auto)s implies %(share)s")
        % {"auto": show_number(policy.auto), "share": _share(1.0 - policy.auto)},
        certified=NOTHING if cut_off is None else _share(certificate.get("alpha") or 0.0),
        where=""
        if cut_off is None
        else _("from %(cut_off)s, %(n)s audits")
        % {"cut_off": f"{cut_off:.4g}", "n": f"{certificate.get('audits') or 0:,.0f}"},
        measured=NOTHING if measured is None else as_percent(measured["error"]),
        interval="" if measured is None else as_range(measured["low"], measured["high"]),
        labels=0 if measured is None else measured["labels"],
        needed=_word_needed(certificate, needed),
        state=judge_rate(
            stream.error_budget,
            None if measured is None else measured["low"],
            None if measured is None else measured["high"],
        ),
    )


def _word_needed(certificate: Certificate, needed: float | None) -> str:
    if not certificate:
        return _("no recalibration has tried yet")
    if certificate.get("cut_off") is not None:
        return _("none")
    if needed is None:
        return _("more errors than that were seen")
    return _("about %(n)s more audits") % {"n": f"{needed:,.0f}"}


def _share(value: float) -> str:
    return f"{100.0 * value:.4g}%"
