"""Where a policy starts: the ready-made ones, each explained, or an empty form."""

from typing import Any

from django import forms
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods

from routing.admin.bands import list_bands
from routing.admin.pages import INVALID, PolicyPages
from routing.admin.scope import streams_administered_by
from routing.core.presets import find_preset, list_presets
from routing.drafts import start_policy
from routing.models import Category, Stream


class StartForm(forms.Form):
    """A ready-made policy for `stream`, and the categories to watch where it watches any."""

    preset = forms.ChoiceField(
        error_messages={"required": gettext_lazy("Choose one of the ready-made policies.")},
    )
    watched = forms.MultipleChoiceField(
        required=False,
        label=gettext_lazy("Categories to watch"),
        widget=forms.CheckboxSelectMultiple,
    )

    def __init__(self, *args: Any, stream: Stream, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["preset"].choices = [  # type: ignore[attr-defined]  # a choice field's
            (preset.key, preset.name) for preset in list_presets(is_grounded=stream.is_grounded)
        ]
        active = Category.objects.filter(stream=stream, retired_at__isnull=True)
        self.fields["watched"].choices = list(  # type: ignore[attr-defined]  # a choice field's
            active.order_by("position", "key").values_list("key", "label")
        )
        self.has_categories = bool(self.fields["watched"].choices)  # type: ignore[attr-defined]

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        if not self.has_categories:
            self.add_error(None, _("The stream has no categories; add them first."))
        if "preset" in cleaned and find_preset(cleaned["preset"]).watch is None:
            cleaned["watched"] = []  # of another card
        return cleaned


class StartPages(PolicyPages):
    def start_view(self, request: HttpRequest) -> HttpResponse:
        """The cards; a POST makes a draft of the chosen one and opens it."""
        return require_http_methods(["GET", "HEAD", "POST"])(self._start)(request)

    def _start(self, request: HttpRequest) -> HttpResponse:
        if not self.has_add_permission(request):
            raise PermissionDenied
        streams = list(streams_administered_by(request.user).order_by("name"))
        chosen = request.GET.get("stream")
        stream = next((each for each in streams if str(each.pk) == chosen), None)
        if not chosen and len(streams) == 1:
            stream = streams[0]
        sent = request.POST if request.method == "POST" else None
        form = None if stream is None else StartForm(sent, stream=stream)
        if request.method == "POST" and form is not None and stream is not None and form.is_valid():
            return self._open_draft(request, stream, form)
        context = self._page(request, _("Start a policy"))
        context |= {
            "streams": streams,
            "stream": stream,
            "form": form,
            "cards": _list_cards(stream),
        }
        status = INVALID if request.method == "POST" else 200
        return TemplateResponse(request, "admin/routing/policy/start.html", context, status=status)

    def _open_draft(self, request: HttpRequest, stream: Stream, form: StartForm) -> HttpResponse:
        preset = find_preset(form.cleaned_data["preset"])
        draft = start_policy(
            stream=stream,
            preset=preset,
            watched=form.cleaned_data["watched"],
            created_by_id=request.user.pk,
        )
        self.log_addition(request, draft, _("Started from “%(name)s”.") % {"name": preset.name})
        text = _("The draft starts from “%(name)s”. See beside its fields what it would do.")
        messages.success(request, text % {"name": preset.name})
        return HttpResponseRedirect(reverse("admin:routing_policy_change", args=[draft.pk]))


def _list_cards(stream: Stream | None) -> list[dict[str, Any]]:
    presets = list_presets(is_grounded=stream is not None and stream.is_grounded)
    return [{"preset": preset, "bands": list_bands(preset.cut_offs)} for preset in presets]
