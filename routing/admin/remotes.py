"""Models that can be asked for a second opinion: where they are, and the token that opens them."""

from typing import TYPE_CHECKING, Any

from django import forms
from django.contrib import admin
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from routing.admin.filters import StreamFilter
from routing.admin.scope import InStream, record_change, record_removal
from routing.models import RemoteModel

if TYPE_CHECKING:
    RemoteModelForm = forms.ModelForm[RemoteModel]
    RemoteModelAdminBase = admin.ModelAdmin[RemoteModel]
else:
    RemoteModelForm = forms.ModelForm
    RemoteModelAdminBase = admin.ModelAdmin


class RemoteForm(RemoteModelForm):
    """A token is written, never shown; what is left empty keeps the one that stands."""

    token = forms.CharField(
        label=_("Token"),
        required=False,
        max_length=500,
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
        help_text=_("Sent as a bearer token; not shown again. Empty: as it is."),
    )

    def clean_token(self) -> str:
        return str(self.cleaned_data["token"] or self.instance.token)


@admin.register(RemoteModel)
class RemoteModelAdmin(InStream, RemoteModelAdminBase):
    form = RemoteForm
    fields = ("stream", "name", "url", "token", "timeout_seconds")
    list_display = ("name", "stream", "url", "timeout_seconds")
    list_filter = (StreamFilter,)
    list_select_related = ("stream",)
    show_facets = admin.ShowFacets.NEVER
    actions = None

    def get_readonly_fields(
        self,
        request: HttpRequest,  # noqa: ARG002
        obj: RemoteModel | None = None,
    ) -> list[str]:
        return ["stream"] if obj else []

    def save_model(self, request: HttpRequest, obj: RemoteModel, form: Any, change: bool) -> None:
        super().save_model(request, obj, form, change)
        # Who changed it is for the log, the token is not.
        if "token" in form.cleaned_data:
            form.cleaned_data["token"] = "changed"  # noqa: S105 - a word for the log
        form.initial.pop("token", None)
        record_change(request=request, form=form, created=not change)

    def delete_model(self, request: HttpRequest, obj: RemoteModel) -> None:
        record_removal(request, obj)
        super().delete_model(request, obj)
