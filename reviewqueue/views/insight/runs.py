"""The runs page: every measurement and refit, what it found, proposed, and what became of it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Final
from uuid import UUID
from zoneinfo import ZoneInfo

from django.db.models import JSONField, Q
from django.db.models.fields.json import KeyTransform
from django.http import Http404, HttpResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from calibration.models import CalibrationRun
from reviewqueue.htmx import PersonRequest, respond, signed_in
from reviewqueue.stream_admins import opens_admin
from reviewqueue.views.insight.pages import NOTHING, describe_page, find_analysed
from routing.models import Policy, Stream

if TYPE_CHECKING:
    from django_stubs_ext import WithAnnotations

TEMPLATE: Final = "insight/runs.html"
PAGE: Final = 20
SEE_RUNS: Final = "calibration.view_calibrationrun"


@dataclass(frozen=True, slots=True)
class RunLine:
    """One run in figures and words; `address` is its page for who may open it."""

    at: datetime
    kind: str
    reason: str
    labels: int
    model: str
    before: str
    after: str
    outcome: str
    is_published: bool
    published_at: datetime | None
    changes: Sequence[str]
    address: str


@require_safe
@signed_in
def runs(request: PersonRequest, stream_key: str) -> HttpResponse:
    """The stream's runs, newest first, each with what became of its proposal."""
    stream = find_analysed(request, stream_key)
    found = _read_runs(stream, request.GET.get("before", ""))
    shown = found[:PAGE]
    drafts = _read_drafts(shown)
    may_open = opens_admin(request.user) and request.user.has_perm(SEE_RUNS)
    address = reverse("insight-runs", args=[stream.key])
    context = describe_page(request, stream, None) | {
        "lines": [_draw(run, drafts.get(run.draft_id), may_open=may_open) for run in shown],
        "before": request.GET.get("before", ""),
        "older": f"{address}?before={shown[-1].id}" if len(found) > PAGE else "",
    }
    with timezone.override(ZoneInfo(stream.time_zone)):
        return respond(request, TEMPLATE, context, part="lines")


def _read_runs(stream: Stream, before: str) -> "list[WithAnnotations[CalibrationRun]]":
    """A page of runs and one more; their reports hold whole tables, and only the changes come."""
    found = CalibrationRun.objects.filter(stream=stream).order_by("-created_at", "-id")
    if before:
        try:
            last = CalibrationRun.objects.filter(stream=stream).get(id=UUID(before))
        except (ValueError, CalibrationRun.DoesNotExist) as error:
            raise Http404 from error
        found = found.filter(
            Q(created_at__lt=last.created_at) | Q(created_at=last.created_at, id__lt=last.id)
        )
    changes = KeyTransform("changes", "report", output_field=JSONField())
    return list(found.defer("report").annotate(changes=changes)[: PAGE + 1])


def _read_drafts(shown: Sequence[CalibrationRun]) -> dict[UUID | None, Policy]:
    ids = [run.draft_id for run in shown if run.draft_id is not None]
    found = Policy.objects.filter(id__in=ids).select_related("published_by")
    return {policy.id: policy for policy in found.only("version", "published_at", "published_by")}


def _draw(
    run: "WithAnnotations[CalibrationRun]", draft: Policy | None, *, may_open: bool
) -> RunLine:
    page = reverse("admin:calibration_calibrationrun_change", args=[run.id])
    return RunLine(
        at=run.created_at,
        kind=str(run.get_kind_display()),
        reason=run.reason,
        labels=run.labels,
        model=run.model_version,
        before=NOTHING if run.ece_before is None else f"{run.ece_before:.3f}",
        after=NOTHING if run.ece_after is None else f"{run.ece_after:.3f}",
        outcome=_word_outcome(run, draft),
        is_published=draft is not None and draft.is_published,
        published_at=None if draft is None else draft.published_at,
        changes=run.changes or (),  # type: ignore[attr-defined]  # the annotation
        address=page if may_open else "",
    )


def _word_outcome(run: CalibrationRun, draft: Policy | None) -> str:
    if run.kind == CalibrationRun.Kind.TABLE:
        return _("measured only")
    if run.draft_id is None:
        return _("nothing to change")
    if draft is None:
        return _("proposed a draft, which was deleted")
    if not draft.is_published:
        return _("proposes a draft that nobody has published")
    if draft.published_by is None:
        return _("published as version %(n)s") % {"n": draft.version}
    return _("published as version %(n)s by %(who)s") % {
        "n": draft.version,
        "who": draft.published_by.get_username(),
    }
