"""Streams with their categories. Keys stand in the API's addresses and in history: they stay."""

from typing import TYPE_CHECKING, Any, ClassVar

from django import forms
from django.contrib import admin
from django.db.models import Count, Max, Q, QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from routing.admin.rows import name_row
from routing.admin.scope import record_change, save_and_record, streams_administered_by
from routing.models import Category, Stream

if TYPE_CHECKING:
    ModelForm = forms.ModelForm[Any]
    StreamModelAdmin = admin.ModelAdmin[Stream]
    CategoryInlineBase = admin.TabularInline[Category, Stream]
else:
    ModelForm = forms.ModelForm
    StreamModelAdmin = admin.ModelAdmin
    CategoryInlineBase = admin.TabularInline


class FixedKeyForm(ModelForm):
    """A form whose `key` is given once."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if not self.instance._state.adding and "key" in self.fields:
            self.fields["key"].disabled = True


class CategoryForm(FixedKeyForm):
    retired = forms.BooleanField(
        required=False,
        label=_("retired"),
        help_text=_("Later policies are without it; history keeps it."),
    )

    class Meta:
        model = Category
        fields = ("position", "key", "label", "definition", "audit_rate")
        widgets: ClassVar = {
            "definition": forms.Textarea(attrs={"rows": 2, "cols": 30}),
            "key": forms.TextInput(),
            "label": forms.TextInput(),
            "position": forms.NumberInput(attrs={"class": "narrow"}),
            "audit_rate": forms.NumberInput(
                attrs={"class": "narrow", "min": 0, "max": 1, "step": "any"}
            ),
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.initial["retired"] = self.instance.retired_at is not None
        name_row(self, self.instance.label)

    def save(self, commit: bool = True) -> Any:
        if "retired" in self.changed_data:
            self.instance.retired_at = timezone.now() if self.cleaned_data["retired"] else None
        return super().save(commit)


class CategoryInline(CategoryInlineBase):
    model = Category
    form = CategoryForm
    extra = 1
    fields = ("position", "key", "label", "definition", "audit_rate", "retired")
    verbose_name_plural = _("categories, in the order of the taxonomy")

    def has_delete_permission(self, request: HttpRequest, obj: Stream | None = None) -> bool:
        """A category that a published policy may name is retired, never deleted."""
        if obj is not None and obj.policies.filter(version__isnull=False).exists():
            return False
        return super().has_delete_permission(request, obj)


@admin.register(Stream)
class StreamAdmin(StreamModelAdmin):
    form = FixedKeyForm
    inlines: ClassVar = [CategoryInline]
    list_display = ("name", "key", "category_count", "policy_version", "time_zone", "is_demo")
    search_fields = ("name", "key")
    prepopulated_fields: ClassVar = {"key": ("name",)}
    readonly_fields = ("policy_links",)
    fieldsets = (
        (None, {"fields": ("name", "key", "kind", "description", "is_demo", "policy_links")}),
        (_("Time"), {"fields": ("time_zone", "hold_hours", "lease_minutes", "undo_seconds")}),
        (_("Samples"), {"fields": ("audit_rate", "bulk_label_rate", "blind_rate")}),
        (_("Shown to people"), {"fields": ("payload_fields", "reporting_edges")}),
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[Stream]:
        streams = streams_administered_by(request.user)
        return streams.annotate(
            categories_now=Count(
                "categories", filter=Q(categories__retired_at__isnull=True), distinct=True
            ),
            version_now=Max("policies__version"),
        ).order_by("name")

    def get_prepopulated_fields(
        self, request: HttpRequest, obj: Stream | None = None
    ) -> dict[str, Any]:
        return {} if obj else dict(super().get_prepopulated_fields(request, obj))

    @admin.display(description=_("categories"))
    def category_count(self, stream: Stream) -> int:
        return int(getattr(stream, "categories_now", 0))

    @admin.display(description=_("policy"))
    def policy_version(self, stream: Stream) -> str:
        version = getattr(stream, "version_now", None)
        return f"v{version}" if version else gettext("none yet")

    @admin.display(description=_("policies"))
    def policy_links(self, stream: Stream) -> SafeString:
        """Where to go from here: the stream's policies, or the first draft of one."""
        if stream._state.adding:
            return format_html("{}", _("Save the stream and its categories first."))
        version = getattr(stream, "version_now", None)
        if version is None:
            return format_html(
                '<a href="{}?stream={}">{}</a>',
                reverse("admin:routing_policy_add"),
                stream.pk,
                _("Draft the first policy"),
            )
        return format_html(
            '<a href="{}">{}</a>',
            reverse("admin:routing_policy_versions", args=[stream.pk]),
            _("All versions, v%(version)s published") % {"version": version},
        )

    def save_model(
        self, request: HttpRequest, obj: Stream, form: "forms.ModelForm[Stream]", change: bool
    ) -> None:
        super().save_model(request, obj, form, change)
        record_change(request=request, form=form, created=not change)

    def save_formset(
        self,
        request: HttpRequest,
        form: "forms.ModelForm[Stream]",  # noqa: ARG002
        formset: Any,
        change: bool,  # noqa: ARG002
    ) -> None:
        save_and_record(request, formset)
