"""The categories that differ, as a compact table under their policy: one row each, no others."""

from typing import TYPE_CHECKING, Any, ClassVar, cast

from django import forms
from django.contrib.auth.models import AnonymousUser, User
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from routing.admin.policy_rows import CategoryChoice, PolicyRows, RowsOfPolicy
from routing.admin.rows import name_row
from routing.core.difference import find_lifted
from routing.core.policy import Policy as PolicySpec
from routing.core.policy import PolicyError
from routing.models import Category, CategoryRule, Policy
from routing.policies import build_spec, find_published_spec

if TYPE_CHECKING:
    RuleModelForm = forms.ModelForm[CategoryRule]
else:
    RuleModelForm = forms.ModelForm

NUMBERS = ("auto", "flagged", "hold", "watch")
LIFT = "routing.lift_mandatory_review"


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
        for name in NUMBERS:
            value = getattr(policy, name, None)
            self.fields[name].widget.attrs["placeholder"] = "–" if value is None else f"{value:g}"
        name_row(self, "" if own is None else own.label)

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        if cleaned.get("mandatory_review") and not cleaned.get("mandatory_reason", "").strip():
            message = _("Say why nothing of this category is acted on without a person.")
            self.add_error("mandatory_reason", message)
        return cleaned


class RuleFormSet(RowsOfPolicy):
    """The rows together with their policy: what the rules of the core say stands at its field."""

    user: User | AnonymousUser

    def check_rows(self, keys: tuple[str, ...]) -> None:
        kept = {form.instance.category.key: form for form in self.kept_forms()}
        try:
            spec = build_spec(self.instance, keys=keys, rules=self.kept_rules())
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


class RuleInline(PolicyRows):
    model = CategoryRule
    form = RuleForm
    formset = RuleFormSet
    fields = ("category", *NUMBERS, "mandatory_review", "mandatory_reason")
    extra = 1
    empty_value_display = '<span class="quiet">–</span>'
    verbose_name = gettext_lazy("category rule")
    verbose_name_plural = gettext_lazy("categories that differ")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        rules = super().get_queryset(request).select_related("category", "policy__stream")
        return rules.order_by("category__position", "category__key")

    def get_formset(
        self, request: HttpRequest, obj: Policy | None = None, **kwargs: Any
    ) -> type[Any]:
        made = super().get_formset(request, obj, **kwargs)
        return type(made.__name__, (made,), {"user": request.user})
