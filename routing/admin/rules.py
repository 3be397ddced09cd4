"""The categories that differ, as a compact table under their policy: one row each, no others."""

from typing import TYPE_CHECKING, Any, ClassVar, cast

from django import forms
from django.contrib import admin
from django.contrib.auth.models import AnonymousUser, User
from django.db.models import QuerySet
from django.forms.models import BaseInlineFormSet
from django.http import HttpRequest
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from routing.admin.rows import name_row
from routing.core.difference import find_lifted
from routing.core.policy import Policy as PolicySpec
from routing.core.policy import PolicyError
from routing.models import Category, CategoryRule, Policy
from routing.policies import active_keys, build_spec, find_published_spec

if TYPE_CHECKING:
    RuleModelForm = forms.ModelForm[CategoryRule]
    FormSet = BaseInlineFormSet[CategoryRule, Policy, Any]
    RuleInlineBase = admin.TabularInline[CategoryRule, Policy]
else:
    RuleModelForm = forms.ModelForm
    FormSet = BaseInlineFormSet
    RuleInlineBase = admin.TabularInline

NUMBERS = ("auto", "flagged", "hold", "watch")
LIFT = "routing.lift_mandatory_review"


class CategoryChoice(forms.TypedChoiceField):
    """Categories read once for all rows; a model choice field would ask anew in each."""

    def has_changed(self, initial: Any, data: Any) -> bool:
        return not self.disabled and str(initial or "") != str(data or "")


class RuleForm(RuleModelForm):
    category = CategoryChoice(label=gettext_lazy("category"))

    class Meta:
        model = CategoryRule
        fields = ("category", *NUMBERS, "mandatory_review", "mandatory_reason")
        widgets: ClassVar = {
            **{
                name: forms.NumberInput(attrs={"min": 0, "max": 1, "step": "any"})
                for name in NUMBERS
            },
            "mandatory_reason": forms.TextInput(attrs={"class": "vTextField"}),
        }

    def offer(self, categories: dict[str, Category], policy: Policy) -> None:
        """Let the row choose among `categories`; a row that exists keeps its own."""
        own = None if self.instance._state.adding else self.instance.category
        field = cast(CategoryChoice, self.fields["category"])
        field.coerce = lambda key: categories.get(str(key), own)
        field.empty_value = None
        if own is not None:
            field.choices = [(str(own.id), own.label)]
            field.disabled = True
        else:
            field.choices = [("", "---------")] + [(key, c.label) for key, c in categories.items()]
        for name in ("auto", "flagged", "hold"):
            value = getattr(policy, name)
            self.fields[name].widget.attrs["placeholder"] = "" if value is None else f"{value:g}"
        name_row(self, "" if own is None else own.label)

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        if cleaned.get("mandatory_review") and not cleaned.get("mandatory_reason", "").strip():
            message = _("Say why nothing of this category is acted on without a person.")
            self.add_error("mandatory_reason", message)
        return cleaned


class RuleFormSet(FormSet):
    """The rows together with their policy: what the rules of the core say stands at its field."""

    user: User | AnonymousUser

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        active = Category.objects.filter(
            stream_id=self.instance.stream_id, retired_at__isnull=True
        ).order_by("position", "key")
        self.categories = {str(category.id): category for category in active}

    def add_fields(self, form: "RuleForm", index: int | None) -> None:
        super().add_fields(form, index)
        form.offer(self.categories, self.instance)

    def clean(self) -> None:
        super().clean()
        if any(self.errors):
            return
        kept = {
            form.instance.category.key: form
            for form in self.forms
            if form.cleaned_data.get("category") and not form.cleaned_data.get("DELETE")
        }
        keys = active_keys(self.instance.stream_id)
        try:
            build_spec(self.instance, keys=keys, rules=())
        except PolicyError:
            return  # the policy's own fields say so
        try:
            spec = build_spec(
                self.instance, keys=keys, rules=[form.instance for form in kept.values()]
            )
        except PolicyError as error:
            self._show_error(error, kept)
        else:
            self._check_lifted(spec, kept)

    def _show_error(self, error: PolicyError, kept: dict[str, "RuleForm"]) -> None:
        """Put the message at `rules.KEY.FIELD`; a key may hold dots, a field never."""
        place = error.field.removeprefix("rules.")
        key, _dot, name = place.rpartition(".")
        form = kept.get(key)
        if form is not None and name in form.fields:
            form.add_error(name, str(error))
        elif place in kept:
            kept[place].add_error("category", str(error))
        else:
            raise forms.ValidationError(str(error))

    def _check_lifted(self, spec: PolicySpec, kept: dict[str, "RuleForm"]) -> None:
        lifted = find_lifted(find_published_spec(self.instance.stream_id), spec)
        if not lifted or self.user.has_perm(LIFT):
            return
        message = _(
            "%(category)s is under mandatory review in the published policy; turning it off "
            "needs the permission “Can turn mandatory review off”."
        )
        gone = []
        for key in lifted:
            if key in kept:
                kept[key].add_error("mandatory_review", message % {"category": key})
            else:
                gone.append(message % {"category": key})
        if gone:
            raise forms.ValidationError(gone)


class RuleInline(RuleInlineBase):
    model = CategoryRule
    form = RuleForm
    formset = RuleFormSet
    fields = ("category", *NUMBERS, "mandatory_review", "mandatory_reason")
    extra = 1
    verbose_name = gettext_lazy("category rule")
    verbose_name_plural = gettext_lazy("categories that differ")

    def get_queryset(self, request: HttpRequest) -> QuerySet[CategoryRule]:
        rules = super().get_queryset(request).select_related("category", "policy__stream")
        return rules.order_by("category__position", "category__key")

    def get_formset(
        self, request: HttpRequest, obj: Policy | None = None, **kwargs: Any
    ) -> "type[FormSet]":
        made = super().get_formset(request, obj, **kwargs)
        return type(made.__name__, (made,), {"user": request.user})

    def _may(self, request: HttpRequest, obj: Policy | None, verb: str) -> bool:
        is_draft = obj is None or not obj.is_published
        return is_draft and request.user.has_perm(f"routing.{verb}_policy")

    def has_add_permission(self, request: HttpRequest, obj: Policy | None = None) -> bool:
        return self._may(request, obj, "change")

    def has_change_permission(self, request: HttpRequest, obj: Policy | None = None) -> bool:
        return self._may(request, obj, "change")

    def has_delete_permission(self, request: HttpRequest, obj: Policy | None = None) -> bool:
        return self._may(request, obj, "change")

    def has_view_permission(self, request: HttpRequest, obj: Policy | None = None) -> bool:
        return request.user.has_perm("routing.view_policy") or self._may(request, obj, "change")
