"""The page behind a cell of the reliability table: its labelled items."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Final, cast
from urllib.parse import urlencode
from uuid import UUID
from zoneinfo import ZoneInfo

from django import forms
from django.http import Http404, HttpResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from calibration.models import GroundTruth
from reviewqueue.htmx import PersonRequest, respond, signed_in
from reviewqueue.insight.cells import CellOfTable, read_cell
from reviewqueue.insight.figures import ReliabilityFigures
from reviewqueue.insight.sheets import read_sheet
from reviewqueue.payloads import read_item
from reviewqueue.pictures import let_pictures_in
from reviewqueue.views.insight.pages import describe_page, find_analysed, read_labels_by_key
from reviewqueue.views.insight.reliability import find_period
from reviewqueue.views.items import address_of
from reviewqueue.views.watch_lines import excerpt_of
from routing.core.maps import CalibrationMap
from routing.core.signals import show_number
from routing.models import Policy, Stream
from routing.policies import load_spec, published_spec

TEMPLATE: Final = "insight/items.html"
ASKED: Final = {"": None, "wrong": False, "right": True}


class CellForm(forms.Form):
    """Which cell, as the table's links say it."""

    days = forms.CharField(required=False)
    maps = forms.ChoiceField(choices=[("raw", ""), ("in_force", ""), ("draft", "")])
    category = forms.CharField(required=False)
    lower = forms.FloatField(min_value=0.0, max_value=1.0)
    upper = forms.FloatField(min_value=0.0, max_value=1.0)
    show = forms.ChoiceField(required=False, choices=[(key, "") for key in ASKED])
    before = forms.UUIDField(required=False)


@dataclass(frozen=True, slots=True)
class Line:
    """One labelled item: what the machine said of it and what people did."""

    address: str
    title: str
    excerpt: str
    picture: str
    predicted: str
    raw: str
    answer: str
    is_right: bool
    at: datetime


@require_safe
@signed_in
def items(request: PersonRequest, stream_key: str) -> HttpResponse:
    """The labelled items of a category and band, newest first, less what may not be shown."""
    stream = find_analysed(request, stream_key)
    shown = read_sheet(stream=stream, kind=find_period(request))
    form = CellForm(request.GET.dict())
    if not form.is_valid() or shown.ready is None:
        raise Http404
    asked = form.cleaned_data
    figures = cast(ReliabilityFigures, shown.ready.figures)
    label_of = read_labels_by_key(stream)
    category = asked["category"]
    if category and category not in label_of:
        raise Http404
    page = read_cell(
        viewer=request.user,
        stream=stream,
        cell=_find_cell(figures, asked),
        right=ASKED[asked["show"]],
        before=asked["before"],
    )
    context = describe_page(request, stream, shown) | {
        "category": label_of.get(category, ""),
        "band": f"{show_number(asked['lower'])} – {show_number(asked['upper'])}",
        "lines": [_draw_line(stream, each, label_of) for each in page.labels],
        "choices": [
            (words, _address(stream, {**asked, "show": key, "before": None}), key == asked["show"])
            for key, words in (("", _("All")), ("wrong", _("Wrong")), ("right", _("Right")))
        ],
        "before": asked["before"],
        "older": _address(stream, {**asked, "before": page.older}) if page.older else "",
    }
    with timezone.override(ZoneInfo(stream.time_zone)):
        drawn = respond(request, TEMPLATE, context, part="lines")
    return let_pictures_in(request, drawn, stream)


def _find_cell(figures: ReliabilityFigures, asked: Mapping[str, object]) -> CellOfTable:
    return CellOfTable(
        maps=_find_maps(figures, str(asked["maps"])),
        category=str(asked["category"]),
        lower=float(str(asked["lower"])),
        upper=float(str(asked["upper"])),
        model_version=figures["model"],
        first=date.fromisoformat(figures["first"]),
        last=date.fromisoformat(figures["last"]),
    )


def _find_maps(figures: ReliabilityFigures, name: str) -> Mapping[str, CalibrationMap]:
    """The maps that the sheet's series was judged under, not those of a policy published since."""
    if name == "in_force":
        return published_spec(UUID(figures["policy"])).maps
    if name == "draft":
        draft = Policy.objects.filter(id=figures["draft"]).first() if figures["draft"] else None
        if draft is None:
            raise Http404
        return load_spec(draft).maps
    return {}


def _draw_line(stream: Stream, label: GroundTruth, label_of: Mapping[str, str]) -> Line:
    paper = read_item(label.item, stream=stream)
    keys = label.categories
    return Line(
        address=address_of(stream, label.item_id),
        title=paper.title,
        excerpt=excerpt_of(paper),
        picture=paper.picture,
        predicted=label_of.get(label.decision.predicted, label.decision.predicted),
        raw=f"{label.decision.raw_confidence:.2f}",
        answer=", ".join(label_of.get(key, key) for key in keys) or label.get_kind_display(),
        is_right=label.decision.predicted in keys,
        at=label.settled_at,
    )


def _address(stream: Stream, asked: Mapping[str, object]) -> str:
    query = {name: str(value) for name, value in asked.items() if value not in ("", None)}
    return f"{reverse('insight-reliability-items', args=[stream.key])}?{urlencode(query)}"
