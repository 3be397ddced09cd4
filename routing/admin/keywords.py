"""The keyword rules of a policy as a table, and what each would say."""

from typing import TYPE_CHECKING, Any, ClassVar

from django import forms
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy

from routing.admin.policy_rows import CategoryChoice, PolicyRows, RowsOfPolicy
from routing.admin.rows import name_row
from routing.core.keywords import KeywordRule as KeywordRuleSpec
from routing.core.policy import PolicyError
from routing.models import Category, KeywordRule, Policy
from routing.policies import build_spec

if TYPE_CHECKING:
    KeywordRuleModelForm = forms.ModelForm[KeywordRule]
else:
    KeywordRuleModelForm = forms.ModelForm


class KeywordRuleForm(KeywordRuleModelForm):
    category = CategoryChoice(label=gettext_lazy("says"))

    class Meta:
        model = KeywordRule
        fields = ("name", "kind", "pattern", "field", "category", "confidence")
        labels: ClassVar = {
            "pattern": gettext_lazy("looks for"),
            "field": gettext_lazy("in field"),
        }
        widgets: ClassVar = {
            "name": forms.TextInput(attrs={"class": "narrow"}),
            "pattern": forms.TextInput(attrs={"class": "vTextField"}),
            "field": forms.TextInput(attrs={"class": "narrow", "placeholder": "–"}),
            "confidence": forms.NumberInput(attrs={"min": 0, "max": 1, "step": "any"}),
        }

    def offer(self, categories: dict[str, Category], policy: Policy) -> None:  # noqa: ARG002
        """Let the row choose among `categories`, and keep one that is retired by now."""
        own = None if self.instance._state.adding else self.instance.category
        known = categories if own is None else {str(own.id): own, **categories}
        field: Any = self.fields["category"]
        field.coerce = lambda key: known.get(str(key))
        field.empty_value = None
        field.choices = [("", "---------"), *((key, each.label) for key, each in known.items())]
        name_row(self, self.instance.name)

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        if not self.errors and cleaned.get("category"):
            try:
                KeywordRuleSpec(
                    id=cleaned["name"],
                    kind=cleaned["kind"],
                    pattern=cleaned["pattern"],
                    category=cleaned["category"].key,
                    confidence=cleaned["confidence"],
                    field=cleaned["field"],
                )
            except PolicyError as error:
                self.add_error(error.field.rpartition(".")[2], str(error))
        return cleaned


class KeywordRuleFormSet(RowsOfPolicy):
    """The rows together with the chain that asks them."""

    def check_rows(self, keys: tuple[str, ...]) -> None:
        try:
            build_spec(self.instance, keys=keys, rules=(), keyword_rules=self.kept_rules())
        except PolicyError as error:
            raise forms.ValidationError(str(error)) from None


class KeywordRuleInline(PolicyRows):
    model = KeywordRule
    form = KeywordRuleForm
    formset = KeywordRuleFormSet
    fields = KeywordRuleForm.Meta.fields
    extra = 0
    verbose_name = gettext_lazy("keyword rule")
    verbose_name_plural = gettext_lazy("keyword rules of the fallback")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        return super().get_queryset(request).order_by("name")
