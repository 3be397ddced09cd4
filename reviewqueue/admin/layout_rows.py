"""The rows in which a stream's admin says how payload fields are shown, and in which order."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django import forms
from django.template.loader import render_to_string
from django.utils.datastructures import MultiValueDict
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from reviewqueue.payloads import KINDS
from routing.models.streams import HOST_PATTERN

PREFIX = "payload_fields"
NEW_ROWS = 2
PLACES = 999
KIND_WORDS = {
    "title": gettext_lazy("title"),
    "text": gettext_lazy("text"),
    "html": gettext_lazy("HTML"),
    "image": gettext_lazy("image"),
    "conversation": gettext_lazy("conversation"),
    "table": gettext_lazy("table"),
    "tree": gettext_lazy("tree"),
    "fact": gettext_lazy("fact"),
    "link": gettext_lazy("link"),
    "hidden": gettext_lazy("hidden"),
}


@dataclass(frozen=True, slots=True)
class Row:
    """One payload field as it was entered: an empty kind leaves it to the value."""

    name: str
    kind: str = ""
    place: str = ""
    by_itself: str = ""
    is_new: bool = False


def read_rows(data: Mapping[str, Any]) -> list[Row]:
    """The rows of a posted form that name a field."""
    if not isinstance(data, MultiValueDict):
        return []
    columns = (data.getlist(f"{PREFIX}_{column}") for column in ("name", "kind", "place"))
    rows = [Row(name.strip(), kind, place.strip()) for name, kind, place in zip(*columns)]  # noqa: B905 - a browser sends as many of each
    return [row for row in rows if row.name]


class RowsWidget(forms.Widget):
    """Reads the posted rows, whatever the name of the field that they are for."""

    def value_from_datadict(
        self,
        data: Mapping[str, Any],
        files: Mapping[str, Any],  # noqa: ARG002
        name: str,  # noqa: ARG002
    ) -> list[Row]:
        return read_rows(data)

    def value_omitted_from_data(
        self,
        data: Mapping[str, Any],
        files: Mapping[str, Any],  # noqa: ARG002
        name: str,  # noqa: ARG002
    ) -> bool:
        return f"{PREFIX}_name" not in data


class LayoutWidget(RowsWidget):
    """One row a field. `names` are the known ones, `order` those that come first."""

    def __init__(self) -> None:
        super().__init__()
        self.names: Sequence[str] = ()
        self.order: Sequence[str] = ()
        self.by_itself: Mapping[str, str] = {}
        self.preview: Mapping[str, object] = {}

    def render(
        self,
        name: str,  # noqa: ARG002
        value: Any,
        attrs: dict[str, Any] | None = None,  # noqa: ARG002
        renderer: Any = None,  # noqa: ARG002
    ) -> SafeString:
        rows = value if isinstance(value, list) else self._stored_rows(value or {})
        known = {row.name for row in rows}
        rows = [*rows, *(Row(each) for each in self.names if each not in known)]
        shown = [
            Row(row.name, row.kind, row.place, str(self.by_itself.get(row.name, "")))
            for row in rows
        ]
        context = {
            "rows": [*shown, *(Row("", is_new=True) for _number in range(NEW_ROWS))],
            "kinds": KIND_WORDS.items(),
            "prefix": PREFIX,
            **self.preview,
        }
        return render_to_string("admin/routing/stream/layout_rows.html", context)

    def _stored_rows(self, kinds: Mapping[str, str]) -> list[Row]:
        places = {name: str(number) for number, name in enumerate(self.order, start=1)}
        names = dict.fromkeys([*self.order, *kinds])
        return [Row(name, kinds.get(name, ""), places.get(name, "")) for name in names]


class LayoutField(forms.Field):
    """Rows in, field name to kind out; what is left to the value has no entry."""

    widget = LayoutWidget

    def to_python(self, value: Any) -> dict[str, str]:
        rows: list[Row] = value or []
        names = [row.name for row in rows]
        for row in rows:
            shown = {"name": row.name, "kind": row.kind}
            if row.kind and row.kind not in KINDS:
                text = _("%(name)s: %(kind)s is no way to show a field; choose one of the list.")
                raise forms.ValidationError(text % shown)
            if names.count(row.name) > 1:
                text = _("%(name)s stands here twice; keep one of its rows.")
                raise forms.ValidationError(text % shown)
        return {row.name: row.kind for row in rows if row.kind}


class OrderWidget(RowsWidget, forms.HiddenInput):
    """Reads the places of the rows; has no control of its own."""

    def render(self, *args: Any, **kwargs: Any) -> SafeString:  # noqa: ARG002
        return SafeString("")


class OrderField(forms.Field):
    """Rows in, the names of those with a place out, in their order."""

    widget = OrderWidget

    def to_python(self, value: Any) -> list[str]:
        placed = []
        for row in value or []:
            if not row.place:
                continue
            if not (row.place.isdecimal() and 1 <= int(row.place[:4]) <= PLACES):
                text = _("%(name)s: %(place)s is no place; write a number from 1 to %(most)d.")
                shown = {"name": row.name, "place": row.place, "most": PLACES}
                raise forms.ValidationError(text % shown)
            placed.append((int(row.place), row.name))
        return [name for _place, name in sorted(placed, key=lambda entry: entry[0])]


class HostsField(forms.CharField):
    """Hosts, separated by commas or blanks; each once."""

    def prepare_value(self, value: Any) -> Any:
        return ", ".join(value) if isinstance(value, list) else value

    def to_python(self, value: Any) -> list[str]:  # type: ignore[override]  # a list, as stored
        hosts = list(dict.fromkeys(re.split(r"[,\s]+", str(value or "").strip())))
        return [host for host in hosts if host]

    def run_validators(self, value: Any) -> None:
        for host in value:
            HOST_PATTERN(host)

    def has_changed(self, initial: Any, data: Any) -> bool:
        return (initial or []) != self.to_python(data)


class LayoutForm(forms.Form):
    """What a preview needs of the stream's form, whatever stands in its other fields."""

    payload_fields = LayoutField(required=False)
    payload_order = OrderField(required=False)
    image_hosts = HostsField(required=False)
