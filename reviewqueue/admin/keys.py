"""API keys: made once, shown once, revoked, never edited back to life."""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, Final

from django import forms
from django.contrib import admin, messages
from django.db.models import ManyToManyField, QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from reviewqueue.access import issue_api_key
from reviewqueue.models import ApiKey
from routing.admin.filters import UnsetFilter
from routing.admin.scope import streams_administered_by
from routing.events import record_event
from routing.models import Stream

if TYPE_CHECKING:
    ApiKeyModelAdmin = admin.ModelAdmin[ApiKey]
else:
    ApiKeyModelAdmin = admin.ModelAdmin


LIMITS: Final = ("requests_per_minute", "item_max_bytes", "batch_max_items")


class RevokedFilter(UnsetFilter):
    field = "revoked_at"
    words = (("live", gettext_lazy("live")), ("revoked", gettext_lazy("revoked")))


@admin.register(ApiKey)
class ApiKeyAdmin(ApiKeyModelAdmin):
    list_display = ("name", "shown_prefix", "stream_names", "created_at", "revoked_at")
    list_filter = (RevokedFilter,)
    search_fields = ("name", "prefix__startswith")
    fields = ("name", "streams", *LIMITS, "shown_prefix", "created_at", "revoked_at")
    readonly_fields = ("shown_prefix", "created_at", "revoked_at")
    actions = ("revoke",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[ApiKey]:
        """Keys whose every stream one administers."""
        keys = super().get_queryset(request).prefetch_related("streams")
        if request.user.is_superuser:
            return keys
        mine = streams_administered_by(request.user).values("id")
        foreign = ApiKey.streams.through.objects.exclude(stream_id__in=mine)
        return keys.filter(streams__in=mine).exclude(id__in=foreign.values("apikey_id")).distinct()

    def formfield_for_manytomany(
        self, db_field: "ManyToManyField[Any, Any]", request: HttpRequest, **kwargs: Any
    ) -> Any:
        kwargs["queryset"] = streams_administered_by(request.user)
        kwargs["widget"] = forms.CheckboxSelectMultiple
        return super().formfield_for_manytomany(db_field, request, **kwargs)

    def get_readonly_fields(
        self,
        request: HttpRequest,  # noqa: ARG002
        obj: ApiKey | None = None,
    ) -> list[str]:
        fixed = ["shown_prefix", "created_at", "revoked_at"]
        return [*fixed, "name", "streams", *LIMITS] if obj and obj.revoked_at else fixed

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:  # noqa: ARG002
        """A key is revoked; its row stays, so that the log keeps its meaning."""
        return False

    def has_revoke_permission(self, request: HttpRequest) -> bool:
        return self.has_change_permission(request)

    @admin.display(description=gettext_lazy("begins with"))
    def shown_prefix(self, key: ApiKey) -> str:
        return f"{key.prefix}…" if key.prefix else _("shown when the key is made")

    @admin.display(description=gettext_lazy("streams"))
    def stream_names(self, key: ApiKey) -> str:
        return ", ".join(stream.name for stream in key.streams.all())

    def save_model(
        self, request: HttpRequest, obj: ApiKey, form: "forms.ModelForm[ApiKey]", change: bool
    ) -> None:
        if change:
            super().save_model(request, obj, form, change)
            if form.changed_data:
                # Its streams are stored after this: here they are still those before.
                reached = {*obj.streams.all(), *form.cleaned_data["streams"]}
                _note(request, obj, "apikey.changed", reached, form.changed_data)
            return
        made, text = issue_api_key(
            name=obj.name,
            streams=form.cleaned_data["streams"],
            limits={name: form.cleaned_data[name] for name in LIMITS},
        )
        obj.pk, obj.prefix, obj.digest = made.pk, made.prefix, made.digest
        obj._state.adding = False
        _note(request, obj, "apikey.created", form.cleaned_data["streams"])
        messages.warning(
            request,
            _("The key is %(text)s – copy it now: it is kept nowhere and never shown again.")
            % {"text": text},
        )

    @admin.action(permissions=["revoke"], description=gettext_lazy("Revoke the selected keys"))
    def revoke(self, request: HttpRequest, queryset: QuerySet[ApiKey]) -> None:
        """Keys that are live stop working at once."""
        revoked = list(queryset.filter(revoked_at=None))
        ApiKey.objects.filter(id__in=[key.id for key in revoked], revoked_at=None).update(
            revoked_at=timezone.now()
        )
        for key in revoked:
            self.log_change(request, key, _("Revoked."))
            _note(request, key, "apikey.revoked", key.streams.all())
        text = ngettext("%(count)d key is revoked.", "%(count)d keys are revoked.", len(revoked))
        messages.success(request, text % {"count": len(revoked)})


def _note(
    request: HttpRequest,
    key: ApiKey,
    kind: str,
    streams: Iterable[Stream],
    changed: Sequence[str] = (),
) -> None:
    """Tell it in the log of each stream that the key reaches; what is told of it opens nothing."""
    told: dict[str, Any] = {"name": key.name, "prefix": key.prefix}
    if changed:
        told["changed"] = list(changed)
    for stream in streams:
        record_event(
            stream_id=stream.id, kind=kind, subject_id=key.id, actor_id=request.user.pk, **told
        )
