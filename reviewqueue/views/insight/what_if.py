"""The what-if page: move a cut-off, see what it would have done, keep it as a draft."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, cast
from zoneinfo import ZoneInfo

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_POST, require_safe

from reviewqueue.access import streams_administered_by
from reviewqueue.htmx import INVALID, PersonRequest, aims_at, go_to, respond, signed_in
from reviewqueue.insight.figures import Promise, WhatIfFigures
from reviewqueue.insight.sheets import Shown, read_sheet
from reviewqueue.insight_models import InsightSheet
from reviewqueue.views.insight.cut_offs import OwnControls, Tried, draw_controls, read_tried
from reviewqueue.views.insight.pages import (
    NOTHING,
    as_percent,
    as_points,
    as_range,
    describe_page,
    find_analysed,
    read_labels_by_key,
    send_table,
    show_picture,
)
from routing.admin.shares import OUTCOMES, TONES
from routing.core.policy import Policy
from routing.drafts import draft_cut_offs
from routing.events import record_event
from routing.models import Policy as PolicyRow
from routing.models import Stream
from routing.policies import current_spec, find_published_spec

if TYPE_CHECKING:
    from reviewqueue.insight.comparisons import Comparison, Errors, Share

TEMPLATE: Final = "insight/what_if.html"
WIDTH: Final = 1000
ALWAYS_SHOWN: Final = ("act", "act_and_review", "wait")
ADD_POLICY: Final = "routing.add_policy"


@dataclass(frozen=True, slots=True)
class ShareRow:
    """One outcome's share under both policies, with bars in thousandths."""

    name: str
    tone: str
    before: str
    after: str
    interval: str
    points: str
    width_before: int
    width_after: int


@dataclass(frozen=True, slots=True)
class ErrorRow:
    """Errors among what is acted on, under both policies; `is_certified` that they are promised."""

    name: str
    tone: str
    share_before: str
    share_after: str
    before: str
    before_interval: str
    after: str
    interval: str
    labels: int
    is_certified: bool


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
    if shown.sheet is not None and shown.is_ready:
        figures = cast(WhatIfFigures, shown.sheet.figures)
        rows += [[dict(step)[name] for name in columns] for step in figures["curve"]]
    return send_table(f"{stream.key}-what-if.csv", rows)


def _fits(shown: Shown, policy: Policy) -> bool:
    """Whether the sample was read for the policy in force; after a publication a new one comes."""
    if shown.sheet is None or not shown.is_ready:
        return False
    return cast(WhatIfFigures, shown.sheet.figures)["version"] == policy.version


def _may_draft(request: PersonRequest, stream: Stream) -> bool:
    user = request.user
    if not (user.is_staff and user.has_perm(ADD_POLICY)):
        return False
    return streams_administered_by(user).filter(id=stream.id).exists()


def _describe(
    request: PersonRequest,
    stream: Stream,
    shown: Shown,
    policy: Policy,
    tried: Tried,
) -> dict[str, object]:
    sheet = cast(InsightSheet, shown.sheet)
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
        context |= _describe_comparison(comparison, figures, policy, tried.policy, label_of)
    return context


def _describe_comparison(
    comparison: "Comparison",
    figures: WhatIfFigures,
    policy: Policy,
    moved: Policy,
    label_of: Mapping[str, str],
) -> dict[str, object]:
    today, after = comparison.today, comparison.moved
    promise = figures["promise"]
    certified = _is_promised(promise, moved)
    errors = [
        _draw_errors(
            str(OUTCOMES[action]),
            TONES[action],
            (today.shares.get(action), today.errors[action]),
            (after.shares.get(action), after.errors[action]),
            is_certified=certified and action == "act",
        )
        for action in ("act", "act_and_review")
    ]
    own = [
        _draw_errors(label_of.get(key, key), "", today.own[key], after.own[key])
        for key in after.own
    ]
    return {
        "is_moved": moved != policy,
        "headline": _word_headline(comparison),
        "shares": _draw_shares(comparison),
        "errors": errors,
        "own_errors": own,
        "hours_before": _word_hours(today.hours),
        "hours_after": _word_hours(after.hours),
        "hours_change": _word_change(today.hours, after.hours),
        "promise": _word_promise(promise),
        "is_certified": certified,
        "warnings": moved.warnings(),
    }


def _draw_shares(comparison: "Comparison") -> list[ShareRow]:
    rows = []
    for action, after in comparison.moved.shares.items():
        before = comparison.today.shares[action]
        if not before.items and not after.items and action not in ALWAYS_SHOWN:
            continue
        rows.append(
            ShareRow(
                name=str(OUTCOMES[action]),
                tone=TONES[action],
                before=as_percent(before.value),
                after=as_percent(after.value),
                interval=as_range(after.low, after.high),
                points=as_points(after.value - before.value),
                width_before=round(WIDTH * before.value),
                width_after=round(WIDTH * after.value),
            )
        )
    return rows


def _draw_errors(
    name: str,
    tone: str,
    before: "tuple[Share | None, Errors]",
    after: "tuple[Share | None, Errors]",
    *,
    is_certified: bool = False,
) -> ErrorRow:
    (share_before, old), (share_after, new) = before, after
    return ErrorRow(
        name=name,
        tone=tone,
        share_before=as_percent(share_before.value if share_before else None),
        share_after=as_percent(share_after.value if share_after else None),
        before=as_percent(old.error),
        before_interval=as_range(old.low, old.high),
        after=as_percent(new.error),
        interval=as_range(new.low, new.high),
        labels=new.labels,
        is_certified=is_certified,
    )


def _is_promised(promise: Promise | None, policy: Policy) -> bool:
    """Whether everything that the policy acts on lies above the certified cut-off."""
    if promise is None:
        return False
    lowest = min(policy.effective(key).auto for key in policy.categories)
    return lowest >= promise["cut_off"]


def _word_promise(promise: Promise | None) -> str:
    if promise is None:
        return _("No cut-off is certified under this policy's maps yet.")
    return _(
        "Certified: at most %(alpha)s errors among what is acted on at once, at %(sure)s "
        "confidence, of all categories together, from %(cut_off)s up (%(audits)s audits)."
    ) % {
        "alpha": f"{100.0 * promise['alpha']:.4g}%",
        "sure": f"{100.0 * (1.0 - promise['delta']):.4g}%",
        "cut_off": f"{promise['cut_off']:.4g}",
        "audits": f"{promise['audits']:,}",
    }


def _word_headline(comparison: "Comparison") -> str:
    """The page in a sentence, which is also what a screen reader hears after a move."""
    if not comparison.items:
        return _("No items of these 90 days can be routed again.")
    before, after = comparison.today.shares["act"], comparison.moved.shares["act"]
    words = {"before": as_percent(before.value), "after": as_percent(after.value)}
    if before.items == after.items:
        first = _("Acts on %(after)s at once, as today") % words
    else:
        first = _("Acts on %(after)s at once instead of %(before)s") % words
    error = comparison.moved.errors["act"]
    if error.error is None:
        return _("%(first)s; no label says how many of these are errors.") % {"first": first}
    return _("%(first)s, with %(error)s errors (%(interval)s).") % {
        "first": first,
        "error": as_percent(error.error),
        "interval": as_range(error.low, error.high),
    }


def _word_curve(figures: WhatIfFigures) -> str:
    today = figures["today"]
    if today is None:
        return ""
    return _("Today %(share)s are acted on, with %(error)s errors (%(interval)s)") % {
        "share": as_percent(today["share"]),
        "error": as_percent(today["error"]),
        "interval": as_range(today["low"], today["high"]),
    }


def _word_hours(hours: float | None) -> str:
    if hours is None:
        return NOTHING
    return ngettext("%(n)s hour", "%(n)s hours", round(hours)) % {"n": f"{hours:,.1f}"}


def _word_change(before: float | None, after: float | None) -> str:
    if before is None or after is None or round(after - before, 1) == 0.0:
        return ""
    return f"{after - before:+.1f} h".replace("-", "−")
