"""Remote models: where a stream's second opinions are asked for, and a button that tries one."""

from typing import TYPE_CHECKING, Any
from uuid import UUID

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.urls import URLPattern, path, reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_POST

from reviewqueue.models import RemoteAsk
from reviewqueue.outgoing import holds_login
from reviewqueue.remote_models import NoAnswerError, ask_model
from routing.admin.filters import StreamFilter
from routing.admin.readonly import ReadOnly
from routing.admin.scope import InStream, record_change, record_removal
from routing.blinds import answers_hidden
from routing.core.chain import RemoteAnswer
from routing.models import Item, Policy, RemoteModel
from routing.policies import active_keys

if TYPE_CHECKING:
    RemoteModelForm = forms.ModelForm[RemoteModel]
    RemoteModelModelAdmin = admin.ModelAdmin[RemoteModel]
else:
    RemoteModelForm = forms.ModelForm
    RemoteModelModelAdmin = admin.ModelAdmin


class RemoteForm(RemoteModelForm):
    """The token is written, never read back; an empty field keeps it."""

    url = forms.URLField(
        label=gettext_lazy("address"),
        max_length=500,
        assume_scheme="https",
        widget=forms.URLInput(attrs={"class": "vURLField"}),
        help_text=gettext_lazy("Gets a POST with the item; answers with scores by category."),
    )
    new_token = forms.CharField(
        label=gettext_lazy("Token"),
        required=False,
        max_length=500,
        strip=True,
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password", "class": "vTextField"}),
        help_text=gettext_lazy("Sent as a bearer token. Leave it empty to keep what is set."),
    )

    class Meta:
        model = RemoteModel
        fields = ("stream", "name", "url", "timeout_seconds")

    def clean_url(self) -> str:
        url = str(self.cleaned_data["url"])
        if holds_login(url):
            raise forms.ValidationError(
                _(
                    "A name or password stands before the @ of this address, and addresses are "
                    "shown in lists and in the log. Leave it out; what the model asks for is its "
                    "token."
                )
            )
        return url

    def save(self, commit: bool = True) -> Any:
        if self.cleaned_data["new_token"]:
            self.instance.token = self.cleaned_data["new_token"]
        return super().save(commit)


@admin.register(RemoteModel)
class RemoteModelAdmin(InStream, RemoteModelModelAdmin):
    form = RemoteForm
    list_display = ("name", "stream", "url", "timeout_seconds", "has_token")
    list_filter = (StreamFilter,)
    fields = ("stream", "name", "url", "new_token", "timeout_seconds")
    change_form_template = "admin/routing/remotemodel/change_form.html"
    actions = None

    def get_queryset(self, request: HttpRequest) -> QuerySet[RemoteModel]:
        return super().get_queryset(request).select_related("stream")

    def get_readonly_fields(
        self,
        request: HttpRequest,  # noqa: ARG002
        obj: RemoteModel | None = None,
    ) -> list[str]:
        """A policy may rely on its stream and name; where it stands may change."""
        return ["stream", "name"] if obj else []

    def has_delete_permission(self, request: HttpRequest, obj: RemoteModel | None = None) -> bool:
        if obj is not None and Policy.objects.filter(remote_model=obj).exists():
            return False
        return super().has_delete_permission(request, obj)

    def delete_model(self, request: HttpRequest, obj: RemoteModel) -> None:
        record_removal(request, obj)
        super().delete_model(request, obj)

    @admin.display(description=gettext_lazy("token"), boolean=True)
    def has_token(self, model: RemoteModel) -> bool:
        return bool(model.token)

    def save_model(
        self,
        request: HttpRequest,
        obj: RemoteModel,
        form: "forms.ModelForm[RemoteModel]",
        change: bool,
    ) -> None:
        super().save_model(request, obj, form, change)
        # The log tells that the token was set, not what it is.
        form.cleaned_data["new_token"] = _("set") if form.cleaned_data["new_token"] else ""
        record_change(request=request, form=form, created=not change)

    def get_urls(self) -> list[URLPattern]:
        wrap = self.admin_site.admin_view
        own = path("<uuid:model_id>/try/", wrap(self.try_view), name="routing_remotemodel_try")
        return [own, *super().get_urls()]

    def try_view(self, request: HttpRequest, model_id: UUID) -> HttpResponse:
        """Say what the model answers about the newest item that nobody is to judge blind."""
        return require_POST(self._try)(request, model_id)

    def _try(self, request: HttpRequest, model_id: UUID) -> HttpResponse:
        model = get_object_or_404(self.get_queryset(request), id=model_id)
        if not self.has_change_permission(request, model):
            raise PermissionDenied
        items = Item.objects.filter(~answers_hidden("id"), stream=model.stream_id)
        item = items.order_by("-received_at").first()
        if item is None:
            messages.warning(request, _("The stream has no item to ask about yet; post one."))
        else:
            self._show_answer(request, model, item)
        return HttpResponseRedirect(reverse("admin:routing_remotemodel_change", args=[model.pk]))

    def _show_answer(self, request: HttpRequest, model: RemoteModel, item: Item) -> None:
        categories = active_keys(model.stream_id)
        try:
            answer = ask_model(
                model=model, item=item, categories=categories, timeout=model.timeout_seconds
            )
        except NoAnswerError as error:
            answer = RemoteAnswer(error=str(error))
        known = {key: p for key, p in answer.scores.items() if key in categories}
        if answer.error or not known:
            why = answer.error or _("it scores no category of this stream")
            text = _("Asked about %(item)s: %(why)s.") % {"item": item.external_id, "why": why}
            messages.error(request, text)
            return
        best = max(known, key=known.__getitem__)
        text = _("Asked about %(item)s, it says %(category)s at %(p).2f.")
        shown = {"item": item.external_id, "category": best, "p": known[best]}
        messages.success(request, text % shown)


@admin.register(RemoteAsk)
class RemoteAskAdmin(ReadOnly):
    list_display = ("item", "stream", "model", "state", "tries", "error", "asked_at", "closed_at")
    list_filter = (StreamFilter, "state", "asked_at")
    search_exact = "item__external_id"
    search_help_text = gettext_lazy("The item's whole external id")
    exclude = ("token",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[RemoteAsk]:
        found: QuerySet[RemoteAsk] = super().get_queryset(request)
        return found.select_related("item", "stream", "model", "decision__item")
