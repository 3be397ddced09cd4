"""What every insight page has: who may see it, its place among the others, pictures, downloads."""

import csv
import io
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from zoneinfo import ZoneInfo

from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.urls import reverse
from django.utils import timezone
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_safe

from reviewqueue.access import administers, streams_analysed_by, streams_visible_to
from reviewqueue.files.cells import neutralise
from reviewqueue.htmx import PersonRequest, respond, signed_in
from reviewqueue.insight.drawing import for_page, size_of
from reviewqueue.insight.sheets import Shown, read_sheet
from reviewqueue.insight_models import InsightSheet
from routing.models import Category, Stream
from routing.policies import find_published_spec

if TYPE_CHECKING:
    from django.utils.functional import _StrPromise

Kind = InsightSheet.Kind

PAGES: Final[Sequence[tuple[str, "_StrPromise"]]] = (
    ("insight-reliability", gettext_lazy("Reliability")),
    ("insight-what-if", gettext_lazy("What-if")),
    ("insight-health", gettext_lazy("Health")),
    ("insight-ambiguity", gettext_lazy("Ambiguity")),
    ("insight-drift", gettext_lazy("Drift")),
    ("insight-reviewers", gettext_lazy("Reviewers")),
    ("insight-runs", gettext_lazy("Runs")),
)
# Of streams of drafted sentences alone.
GROUNDED_PAGES: Final[Sequence[tuple[str, "_StrPromise"]]] = (
    ("insight-budget", gettext_lazy("Error budget")),
)
VERDICTS: Final[Mapping[str, "_StrPromise"]] = {
    "calibrated": gettext_lazy("calibrated"),
    "overconfident_certain": gettext_lazy("overconfident, certain"),
    "overconfident_possible": gettext_lazy("overconfident, possible"),
    "underconfident_certain": gettext_lazy("underconfident, certain"),
    "underconfident_possible": gettext_lazy("underconfident, possible"),
    "not_enough_labels": gettext_lazy("not enough labels"),
}
NOTHING: Final = "–"


@dataclass(frozen=True, slots=True)
class Tab:
    """One insight page of a stream."""

    name: str
    address: str
    is_here: bool


@dataclass(frozen=True, slots=True)
class Picture:
    """A drawing as a page shows it; its size is in units of the drawing."""

    name: str
    body: SafeString
    width: float
    height: float
    title: str
    description: str
    address: str


@require_safe
@signed_in
def insight(request: PersonRequest, stream_key: str) -> HttpResponse:
    """To the first insight page of a stream."""
    find_analysed(request, stream_key)
    return redirect("insight-reliability", stream_key)


@require_safe
@signed_in
def picture(request: PersonRequest, stream_key: str, kind: str, name: str) -> HttpResponse:
    """One drawing as a file, in light colours."""
    stream = find_analysed(request, stream_key)
    if kind == Kind.REVIEWERS and not administers(request.user, stream):
        raise PermissionDenied  # it is of everybody, and others see their own figures alone
    sheets = InsightSheet.objects.filter(stream=stream, kind=kind.replace("-", "_"))
    pictures = sheets.values_list("pictures", flat=True).first() or {}
    if name not in pictures:
        raise Http404
    file_name = f"{stream.key}-{kind}-{name}.svg"
    return _as_file(pictures[name], file_name, "image/svg+xml")


def find_analysed(request: PersonRequest, stream_key: str) -> Stream:
    """The stream if its insight pages are open to the person: 404 where it may not be seen."""
    stream = get_object_or_404(streams_visible_to(request.user), key=stream_key)
    if not streams_analysed_by(request.user).filter(id=stream.id).exists():
        raise PermissionDenied
    return stream


def describe_page(request: HttpRequest, stream: Stream, shown: Shown | None) -> dict[str, object]:
    """The part of a context that all pages have."""
    here = request.resolver_match.url_name if request.resolver_match else ""
    return {
        "section": "insight",
        "is_demo": stream.is_demo,
        "stream": stream,
        "tabs": [
            Tab(str(name), reverse(page, args=[stream.key]), page == here)
            for page, name in (*PAGES, *(GROUNDED_PAGES if stream.is_grounded else ()))
        ],
        "shown": shown,
        "address": request.path,
    }


def show_sheet(
    request: PersonRequest,
    stream: Stream,
    kind: str,
    template: str,
    describe: Callable[[Stream, InsightSheet], Mapping[str, object]],
    **more: object,
) -> HttpResponse:
    """The page of one sheet; `describe` tells what is on it, and is asked where there is one."""
    shown = read_sheet(stream=stream, kind=kind)
    has_policy = find_published_spec(stream.id) is not None
    context = describe_page(request, stream, shown) | {"has_policy": has_policy} | more
    if has_policy and shown.ready is not None:
        context |= describe(stream, shown.ready)
    with timezone.override(ZoneInfo(stream.time_zone)):
        return respond(request, template, context, part="figures")


def read_labels_by_key(stream: Stream) -> dict[str, str]:
    """The labels of the stream's categories, retired ones included, in taxonomy order."""
    rows = Category.objects.filter(stream=stream).order_by("position", "key")
    return dict(rows.values_list("key", "label"))


def show_picture(
    sheet: InsightSheet, stream: Stream, name: str, *, title: str, description: str
) -> Picture | None:
    """A drawing of the sheet; None where there was nothing to draw."""
    svg = sheet.pictures.get(name)
    if svg is None:
        return None
    width, height = size_of(svg)
    kind = sheet.kind.replace("_", "-")
    return Picture(
        name=name,
        # Drawn by ourselves from numbers, our own words and labels of categories; the engine
        # escapes words, and nothing of upstream is in it.
        body=mark_safe(for_page(svg)),  # noqa: S308
        width=width,
        height=height,
        title=title,
        description=description,
        address=reverse("insight-picture", args=[stream.key, kind, name]),
    )


def send_table(name: str, rows: Iterable[Sequence[object]]) -> HttpResponse:
    """The rows as a CSV file; no cell is a formula."""
    text = io.StringIO()
    writer = csv.writer(text)
    for row in rows:
        writer.writerow(["" if cell is None else neutralise(str(cell)) for cell in row])
    return _as_file(text.getvalue(), name, "text/csv; charset=utf-8")


def as_percent(value: float | None, digits: int = 1) -> str:
    """A share in per cent; a dash where there is none."""
    return NOTHING if value is None else f"{100.0 * value:.{digits}f}%"


def as_points(value: float | None) -> str:
    """A difference in percentage points, signed."""
    if value is None:
        return NOTHING
    points = round(100.0 * value, 1) + 0.0
    return f"{points:+.1f}".replace("-", "−") if points else "0.0"


def as_range(low: float | None, high: float | None) -> str:
    """An interval in per cent."""
    if low is None or high is None:
        return ""
    return f"{100.0 * low:.1f}–{as_percent(high)}"


def judge_rate(budget: float | None, low: float | None, high: float | None) -> str:
    """Whether a budget is kept by an interval of errors: kept, broken, or open; empty without."""
    if budget is None or low is None or high is None:
        return ""
    if low > budget:
        return "broken"
    return "kept" if high <= budget else "open"


def _as_file(content: str, name: str, content_type: str) -> HttpResponse:
    response = HttpResponse(content, content_type=content_type)
    response["Content-Disposition"] = f'attachment; filename="{name}"'
    response["X-Content-Type-Options"] = "nosniff"
    return response
