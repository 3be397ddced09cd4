"""Forms as a browser would send them: read from the page, changed, and posted."""

from html.parser import HTMLParser
from typing import TYPE_CHECKING

from django.test import Client

if TYPE_CHECKING:
    from django.test.client import _MonkeyPatchedWSGIResponse as Response


class _FormReader(HTMLParser):
    """Collects what the form with `form_id` would send: nothing disabled, unchecked or unnamed."""

    def __init__(self, form_id: str) -> None:
        super().__init__()
        self.form_id = form_id
        self.sent: dict[str, list[str]] = {}
        self._inside = False
        self._textarea: str | None = None
        self._select: str | None = None
        self._is_offered = False
        self._multiple = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        name = given.get("name") if "disabled" not in given else None
        if tag == "form":
            self._inside = given.get("id") == self.form_id
        elif not self._inside:
            return
        elif tag == "input" and name and given.get("type") not in ("submit", "button"):
            if given.get("type") not in ("checkbox", "radio") or "checked" in given:
                unnamed = "on" if given.get("type") == "checkbox" else ""
                self.sent.setdefault(name, []).append(given.get("value") or unnamed)
        elif tag == "textarea" and name:
            self._textarea = name
            self.sent[name] = [""]
        elif tag == "select":
            self._select, self._multiple, self._is_offered = name, "multiple" in given, False
        elif tag == "option" and self._select:
            self._add_option(self._select, given)

    def _add_option(self, name: str, given: dict[str, str | None]) -> None:
        value = given.get("value") or ""
        if self._multiple or not self._is_offered:
            if "selected" in given or not self._multiple:
                self.sent.setdefault(name, []).append(value)
                self._is_offered = True
        elif "selected" in given:
            self.sent[name][-1] = value

    def handle_data(self, data: str) -> None:
        if self._textarea is not None:
            self.sent[self._textarea][0] += data

    def handle_endtag(self, tag: str) -> None:
        if tag == "form":
            self._inside = False
        elif tag == "textarea":
            self._textarea = None
        elif tag == "select":
            self._select = None


def read_form(response: "Response", form_id: str) -> dict[str, list[str]]:
    """What the form would send as it stands, every value in a list."""
    reader = _FormReader(form_id)
    reader.feed(response.content.decode())
    assert reader.sent, f"no form {form_id!r} on the page"
    # A browser drops the line break that templates put after the opening tag.
    return {
        name: [value.removeprefix("\n") for value in values]
        for name, values in reader.sent.items()
        if "__prefix__" not in name
    }


def send_form(client: Client, path: str, form_id: str, **changes: object) -> "Response":
    """Open the page, change the form and post it; a change to None unchecks a box."""
    page = client.get(path)
    assert page.status_code == 200, page.status_code
    sent: dict[str, object] = {**read_form(page, form_id), "_continue": "1"}
    for name, value in changes.items():
        if value is None:
            sent.pop(name, None)
        else:
            sent[name] = value
    return client.post(path, sent)


def read_errors(response: "Response") -> dict[str, list[str]]:
    """Messages by field of a change page that came back; rows of inlines as `rules-0-auto`."""
    context = response.context
    form = context["adminform"].form
    found = {name: list(errors) for name, errors in form.errors.items()}
    for inline in context["inline_admin_formsets"]:
        formset = inline.formset
        if formset.non_form_errors():
            found[formset.prefix] = list(formset.non_form_errors())
        for row in formset.forms:
            for name, errors in row.errors.items():
                found[f"{row.prefix}-{name}"] = list(errors)
    return found
