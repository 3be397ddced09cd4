"""Tables under a policy: their rows choose among its stream's categories."""

from typing import TYPE_CHECKING, Any

from django import forms
from django.contrib import admin
from django.forms.formsets import INITIAL_FORM_COUNT, TOTAL_FORM_COUNT, ManagementForm
from django.forms.models import BaseInlineFormSet
from django.http import HttpRequest
from django.utils.functional import cached_property
from django.utils.translation import gettext as _

from routing.core.policy import PolicyError
from routing.models import Category, Policy
from routing.policies import active_keys, build_spec

if TYPE_CHECKING:
    FormSet = BaseInlineFormSet[Any, Policy, Any]
    InlineBase = admin.TabularInline[Any, Policy]
else:
    FormSet = BaseInlineFormSet
    InlineBase = admin.TabularInline


class CategoryChoice(forms.TypedChoiceField):
    """Categories read once for all rows; a model choice field would ask anew in each."""

    def has_changed(self, initial: Any, data: Any) -> bool:
        return not self.disabled and str(initial or "") != str(data or "")


class RowsOfPolicy(FormSet):
    """Rows with a category each; their forms have `offer(categories, policy)`.

    `check_rows` checks what they say together, once each row and the policy itself are right.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        active = Category.objects.filter(
            stream_id=self.instance.stream_id, retired_at__isnull=True
        ).order_by("position", "key")
        self.categories = {str(category.id): category for category in active}

    @cached_property
    def management_form(self) -> ManagementForm:
        """Django's; with a count of rows under 0, which no page sends, it is invalid too."""
        found = super().management_form
        if found.is_bound and found.is_valid():
            for name in (TOTAL_FORM_COUNT, INITIAL_FORM_COUNT):
                if (found.cleaned_data[name] or 0) < 0:
                    found.add_error(name, _("A number of rows is 0 or more."))
                    found.cleaned_data[name] = 0
        return found

    def add_fields(self, form: Any, index: int | None) -> None:
        super().add_fields(form, index)
        form.offer(self.categories, self.instance)

    def clean(self) -> None:
        super().clean()
        if any(self.errors):
            return
        keys = active_keys(self.instance.stream_id)
        try:
            build_spec(self.instance, keys=keys, rules=())
        except PolicyError:
            return  # the policy's own fields say so
        self.check_rows(keys)

    def check_rows(self, keys: tuple[str, ...]) -> None:
        """Add the errors of the kept rows under a policy over the categories `keys`."""
        raise NotImplementedError

    def kept_forms(self) -> list[Any]:
        """Of rows without errors, those that are filled in and stay."""
        return [
            form
            for form in self.forms
            if form.cleaned_data.get("category") and not form.cleaned_data.get("DELETE")
        ]

    def kept_rules(self) -> list[Any]:
        """What the kept rows say, saved or not."""
        return [form.instance for form in self.kept_forms()]


class PolicyRows(InlineBase):
    """Rows that may be edited by those who may edit their policy, while it is a draft."""

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
