"""Streams with their categories. Keys stand in the API's addresses and in history: they stay."""

from typing import TYPE_CHECKING, Any, ClassVar

from django import forms
from django.contrib import admin, messages
from django.db.models import Count, Max, Q, QuerySet
from django.forms.models import BaseInlineFormSet
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.functional import cached_property
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from routing.admin.rows import name_row
from routing.admin.scope import record_change, save_and_record, streams_administered_by
from routing.admin.suggestions import Suggestion, read_suggestion
from routing.alarms import alarms_in_force, word_alarms
from routing.categories import find_gap, is_in_history, record_retirement
from routing.grounded import DOUBLE_RATE, REPORTING_EDGES, add_answers
from routing.models import Category, Stream

if TYPE_CHECKING:
    ModelForm = forms.ModelForm[Any]
    StreamModelAdmin = admin.ModelAdmin[Stream]
    CategoryInlineBase = admin.TabularInline[Category, Stream]
    CategoryFormSetBase = BaseInlineFormSet[Category, Stream, Any]
else:
    ModelForm = forms.ModelForm
    StreamModelAdmin = admin.ModelAdmin
    CategoryInlineBase = admin.TabularInline
    CategoryFormSetBase = BaseInlineFormSet


FIXED = ("key", "kind")
# A stream of drafted sentences starts with these where nobody chose others.
GROUNDED_USUALS = {"reporting_edges": list(REPORTING_EDGES), "double_rate": DOUBLE_RATE}


class FixedKeyForm(ModelForm):
    """A form whose `key` and `kind` are given once."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name in FIXED:
            if not self.instance._state.adding and name in self.fields:
                self.fields[name].disabled = True


class CategoryForm(FixedKeyForm):
    retired = forms.BooleanField(
        required=False,
        label=_("retired"),
        help_text=_(
            "People are not offered it any more, later policies are without it, history keeps it."
        ),
    )
    recorded_apart = ("retired",)

    class Meta:
        model = Category
        fields = (
            *("position", "key", "label", "definition"),
            *("audit_rate", "double_rate", "cost_error", "cost_delay"),
        )
        widgets: ClassVar = {
            "definition": forms.Textarea(attrs={"rows": 2, "cols": 30}),
            "key": forms.TextInput(),
            "label": forms.TextInput(),
            "position": forms.NumberInput(attrs={"class": "narrow"}),
            **{
                name: forms.NumberInput(
                    attrs={"class": "narrow", "min": 0, "max": 1, "step": "any"}
                )
                for name in ("audit_rate", "double_rate")
            },
            **{
                name: forms.NumberInput(attrs={"class": "narrow", "min": 0, "step": "any"})
                for name in ("cost_error", "cost_delay")
            },
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.initial["retired"] = self.instance.retired_at is not None

    def has_changed(self) -> bool:
        """A new row is empty while it has but the position that it was offered."""
        offered = {"position"} if self.instance._state.adding else set()
        return bool(set(self.changed_data) - offered)

    def save(self, commit: bool = True) -> Any:
        if "retired" in self.changed_data:
            self.instance.retired_at = timezone.now() if self.cleaned_data["retired"] else None
        return super().save(commit)


class CategoryFormSet(CategoryFormSetBase):
    """A stream's categories; one that history names is kept."""

    suggestion = Suggestion()

    def add_fields(self, form: Any, index: int | None) -> None:
        super().add_fields(form, index)
        name_row(form, form.instance.label)
        if not form.instance._state.adding:
            form.initial.update(self.suggestion.of.get(form.instance.key, {}))
            if self.instance.is_grounded:
                form.fields["retired"].disabled = True
            return
        form.initial["position"] = self.end
        if index == self.initial_form_count():
            form.initial.update(self.suggestion.new)

    @cached_property
    def end(self) -> int:
        """Where a new category goes: behind those that there are."""
        return 1 + max((each.position for each in self.get_queryset()), default=-1)

    def clean(self) -> None:
        """Refuse before Django does, whose words do not say what to do instead."""
        if self.instance.is_grounded and any(
            form.has_changed() and (form.instance._state.adding or form.cleaned_data.get("DELETE"))
            for form in self.forms
        ):
            raise forms.ValidationError(
                _("A stream of drafted sentences has its two answers; neither add nor delete one.")
            )
        refused = [
            _("%(category)s is named by policies, items or verdicts; retire it instead.")
            % {"category": form.instance.label}
            for form in self.forms
            if not form.instance._state.adding
            and form.cleaned_data.get("DELETE")
            and self.is_named(form.instance)
        ]
        if refused:
            raise forms.ValidationError(refused)
        super().clean()

    def is_named(self, category: Category) -> bool:
        """Whether anything refers to the category."""
        return is_in_history(category)


class CategoryInline(CategoryInlineBase):
    model = Category
    form = CategoryForm
    formset = CategoryFormSet
    extra = 1
    fields = (
        *("position", "key", "label", "definition"),
        *("audit_rate", "double_rate", "cost_error", "cost_delay", "retired"),
    )
    verbose_name_plural = _("categories, in the order of the taxonomy")

    def get_formset(
        self, request: HttpRequest, obj: Stream | None = None, **kwargs: Any
    ) -> type[CategoryFormSetBase]:
        formset: type[CategoryFormSetBase] = super().get_formset(request, obj, **kwargs)
        if obj is None:
            return formset
        suggestion = read_suggestion(request, obj)
        return type(formset.__name__, (formset,), {"suggestion": suggestion})

    def has_add_permission(self, request: HttpRequest, obj: Stream | None = None) -> bool:
        """The two answers to a drafted sentence are all that there are."""
        return not (obj and obj.is_grounded) and super().has_add_permission(request, obj)

    def has_delete_permission(self, request: HttpRequest, obj: Stream | None = None) -> bool:
        return not (obj and obj.is_grounded) and super().has_delete_permission(request, obj)


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
        (_("Time"), {"fields": ("time_zone", "lease_minutes", "undo_seconds")}),
        (_("Held items"), {"fields": ("hold_hours", "hold_capacity")}),
        (_("Retention"), {"fields": ("retention_days",)}),
        (_("Grounded drafts"), {"fields": ("freshness_days",)}),
        (
            _("Samples"),
            {
                "fields": (
                    ("audit_rate", "topup_rate", "topup_from"),
                    ("bulk_label_rate", "blind_rate"),
                    ("double_rate", "known_rate"),
                )
            },
        ),
        (
            _("Promise and costs"),
            {
                "fields": (
                    "error_budget",
                    ("cost_error", "cost_review", "cost_delay", "irreversible"),
                )
            },
        ),
        (
            _("Shown to people"),
            {"fields": ("payload_fields", "payload_order", "image_hosts", "reporting_edges")},
        ),
    )

    def get_readonly_fields(self, request: HttpRequest, obj: Stream | None = None) -> list[str]:
        """A retention erases for good, so whoever may not erase does not set one."""
        own = [str(name) for name in super().get_readonly_fields(request, obj)]
        return own if request.user.has_perm("routing.erase_item") else [*own, "retention_days"]

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
        if not change and obj.is_grounded:
            for name, value in GROUNDED_USUALS.items():
                if name not in form.changed_data:
                    setattr(obj, name, value)
        super().save_model(request, obj, form, change)
        if not change and obj.is_grounded:
            add_answers(obj)
        record_change(request=request, form=form, created=not change)

    def save_formset(
        self,
        request: HttpRequest,
        form: "forms.ModelForm[Stream]",  # noqa: ARG002
        formset: Any,
        change: bool,  # noqa: ARG002
    ) -> None:
        save_and_record(request, formset)
        for row in formset.forms:
            if isinstance(row, CategoryForm) and "retired" in row.changed_data:
                self._tell_retirement(request, row.instance)

    def _tell_retirement(self, request: HttpRequest, category: Category) -> None:
        gap = record_retirement(category=category, actor_id=request.user.pk)
        if category.retired_at is None:
            text = _("%(category)s is active again; people can choose it at once.")
            version = None
        elif gap and category.key in gap.retired:
            text = _(
                "%(category)s is retired. People are not offered it any more; it stays in version "
                "%(version)s until a new version is published. What was decided and judged stays."
            )
            version = gap.policy.version
        else:
            text = _("%(category)s is retired. No policy has it, so nothing else changes.")
            version = None
        messages.info(request, text % {"category": category.label, "version": version})

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        stream: Stream | None = context["original"]
        if stream is not None:
            context |= {"alarms": word_alarms(alarms_in_force(Stream.objects.filter(id=stream.id)))}
        gap = find_gap(stream) if stream else None
        if stream and gap:
            labels = dict(stream.categories.values_list("key", "label"))
            context |= {
                "gap": gap,
                "added": [labels[key] for key in gap.added],
                "retired": [labels.get(key, key) for key in gap.retired],
                "may_copy": request.user.has_perm("routing.add_policy"),
            }
        return super().render_change_form(request, context, *args, **kwargs)
