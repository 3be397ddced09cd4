"""The what-if page: move a cut-off, see what it would have done, keep it as a draft."""

from collections.abc import Sequence
from typing import Final, cast
from zoneinfo import ZoneInfo

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from reviewqueue.access import administers
from reviewqueue.htmx import INVALID, PersonRequest, aims_at, go_to, respond, signed_in
from reviewqueue.insight.figures import WhatIfFigures
from reviewqueue.insight.sheets import Shown, read_sheet
from reviewqueue.insight_models import InsightSheet
from reviewqueue.stream_admins import opens_admin
from reviewqueue.views.insight.cut_offs import OwnControls, Tried, draw_controls, read_tried
from reviewqueue.views.insight.outlook import describe_comparison
from reviewqueue.views.insight.pages import (
    as_percent,
    as_range,
    describe_page,
    find_analysed,
    read_labels_by_key,
    send_table,
    show_picture,
)
from routing.core.policy import Policy
from routing.drafts import draft_cut_offs
from routing.events import record_event
from routing.models import Policy as PolicyRow
from routing.models import Stream
from routing.policies import current_spec, find_published_spec

TEMPLATE: Final = "insight/what_if.html"
ADD_POLICY: Final = "routing.add_policy"


@require_safe
@signed_in
def what_if(request: PersonRequest, stream_key: str) -> HttpResponse:
    """The cut-offs as they are, or as the address says, and what they do."""
    stream = find_analysed(request, stream_key)
    shown = read_sheet(stream=stream, kind=InsightSheet.Kind.WHAT_IF, with_arrays=True)
    policy = find_published_spec(stream.id)
    context = describe_page(request, stream, shown) | {"has_policy": policy is not None}
    status = 200
    if policy is not None and _fits(shown, policy):
        tried = read_tried(request.GET.dict(), policy)
        context |= _describe(request, stream, shown, policy, tried)
        status = 200 if tried.is_valid else INVALID
    with timezone.override(ZoneInfo(stream.time_zone)):
        part = "outlook" if aims_at(request, "outlook") and "figures" in context else "page"
        return respond(request, TEMPLATE, context, part=part, status=status)


@require_POST
@signed_in
def save_draft(request: PersonRequest, stream_key: str) -> HttpResponse:
    """Keep what was tried as a draft policy, for those who may edit policies."""
    stream = find_analysed(request, stream_key)
    if not _may_draft(request, stream):
        raise PermissionDenied
    policy_id, policy = current_spec(stream.id)
    tried = read_tried(request.POST.dict(), policy)
    page = reverse("insight-what-if", args=[stream.key])
    if tried.policy is None:
        messages.error(request, tried.problem or " ".join(tried.errors.values()))
        return go_to(request, page)
    draft = draft_cut_offs(
        policy=PolicyRow.objects.get(id=policy_id),
        cut_offs=tried.policy.cut_offs,
        own=tried.own,
        title=_("Tried on the what-if page"),
        created_by_id=request.user.pk,
    )
    record_event(
        stream_id=stream.id, kind="policy.drafted", subject_id=draft.id, actor_id=request.user.pk
    )
    messages.success(request, _("Kept as a draft. It decides nothing until it is published."))
    return go_to(request, reverse("admin:routing_policy_change", args=[draft.id]))


@require_safe
@signed_in
def curve(request: PersonRequest, stream_key: str) -> HttpResponse:
    """The curve of the page as CSV."""
    stream = find_analysed(request, stream_key)
    shown = read_sheet(stream=stream, kind=InsightSheet.Kind.WHAT_IF)
    columns = ("cut_off", "share", "error", "low", "high")
    rows: list[Sequence[object]] = [columns]
    if shown.ready is not None:
        figures = cast(WhatIfFigures, shown.ready.figures)
        rows += [[dict(step)[name] for name in columns] for step in figures["curve"]]
    return send_table(f"{stream.key}-what-if.csv", rows)


def _fits(shown: Shown, policy: Policy) -> bool:
    """Whether the sample was read for the policy in force; after a publication a new one comes."""
    if shown.ready is None:
        return False
    return cast(WhatIfFigures, shown.ready.figures)["version"] == policy.version


def _may_draft(request: PersonRequest, stream: Stream) -> bool:
    user = request.user
    if not (opens_admin(user) and user.has_perm(ADD_POLICY)):
        return False
    return administers(user, stream)


def _describe(
    request: PersonRequest,
    stream: Stream,
    shown: Shown,
    policy: Policy,
    tried: Tried,
) -> dict[str, object]:
    sheet = cast(InsightSheet, shown.ready)
    figures = cast(WhatIfFigures, sheet.figures)
    label_of = read_labels_by_key(stream)
    others = [key for key in policy.categories if key not in tried.own]
    context: dict[str, object] = {
        "figures": figures,
        "made_at": sheet.made_at,
        "tried": tried,
        "controls": draw_controls(tried, policy),
        "own": [
            OwnControls(
                key,
                label_of.get(key, key),
                draw_controls(tried, policy, key),
                is_new=key == tried.typed.get("add"),
            )
            for key in tried.own
        ],
        "others": [(key, label_of.get(key, key)) for key in others],
        "may_draft": _may_draft(request, stream),
        "has_sources": bool(policy.fallback.sources),
        "curve": show_picture(
            sheet,
            stream,
            "curve",
            title=_("What more automation costs"),
            description=_word_curve(figures),
        ),
    }
    if tried.policy is not None:
        # Here, since the pages that nobody tries anything on should not wait for scipy.
        from reviewqueue.insight.comparisons import compare  # noqa: PLC0415

        comparison = compare(
            stream=stream,
            data=bytes(sheet.arrays),
            figures=figures,
            today=policy,
            moved=tried.policy,
            categories=list(tried.own),
        )
        context |= describe_comparison(comparison, figures, policy, tried.policy, label_of)
    return context


def _word_curve(figures: WhatIfFigures) -> str:
    today = figures["today"]
    if today is None:
        return ""
    return _("Today %(share)s are acted on, with %(error)s errors (%(interval)s)") % {
        "share": as_percent(today["share"]),
        "error": as_percent(today["error"]),
        "interval": as_range(today["low"], today["high"]),
    }
