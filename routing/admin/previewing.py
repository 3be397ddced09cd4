"""What a draft would do with the items that came last, beside its fields and as a page."""

from typing import Any
from uuid import UUID

from django import forms
from django.core.exceptions import PermissionDenied
from django.forms.utils import ErrorDict
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils.text import capfirst
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from routing.admin.bands import list_bands
from routing.admin.pages import PolicyPages
from routing.admin.rules import RuleFormSet
from routing.admin.shares import list_reviewed, list_shares
from routing.core.policy import Policy as PolicySpec
from routing.core.policy import PolicyError
from routing.models import Policy
from routing.policies import active_keys, build_spec, find_published_spec, load_spec
from routing.previews import preview_change

INVALID = 422


class PreviewPages(PolicyPages):
    """A preview stores nothing."""

    def preview_view(self, request: HttpRequest, policy_id: UUID) -> HttpResponse:
        """The saved policy's preview as a page; of what a POST holds, the part of one."""
        return require_http_methods(["GET", "HEAD", "POST"])(self._preview)(request, policy_id)

    def _preview(self, request: HttpRequest, policy_id: UUID) -> HttpResponse:
        policy = self._find_policy(request, policy_id)
        if request.method == "POST":
            return self._preview_edits(request, policy)
        context = self._page(
            request, _("What %(policy)s would change") % {"policy": policy}, policy
        )
        context |= self.preview_saved(policy)
        return TemplateResponse(request, "admin/routing/policy/preview.html", context)

    def preview_saved(self, policy: Policy) -> dict[str, Any]:
        """The context of a preview of the policy as it is stored."""
        if not policy.is_published:
            policy.reporting_edges = policy.stream.reporting_edges
        try:
            return _show(policy, load_spec(policy))
        except PolicyError as error:
            return {"problems": [str(error)]}

    def _preview_edits(self, request: HttpRequest, policy: Policy) -> HttpResponse:
        if not self.has_change_permission(request, policy):
            raise PermissionDenied
        template = "admin/routing/policy/preview_part.html"
        form = self.get_form(request, policy, change=True)(request.POST, instance=policy)
        is_valid = form.is_valid()
        formset, _inlines = self._create_formsets(request, policy, change=True)
        rules: RuleFormSet = formset[0]
        if not (rules.is_valid() and is_valid):
            context: dict[str, Any] = {"problems": _list_problems(form, rules)}
            return TemplateResponse(request, template, context, status=INVALID)
        policy.reporting_edges = policy.stream.reporting_edges
        keys = active_keys(policy.stream_id)
        spec = build_spec(policy, keys=keys, rules=rules.kept_rules())
        return TemplateResponse(request, template, _show(policy, spec))


def _show(policy: Policy, spec: PolicySpec) -> dict[str, Any]:
    context: dict[str, Any] = {
        "bands": list_bands(spec.cut_offs),
        "warnings": spec.warnings(),
        "reviewed": list_reviewed(
            policy.stream,
            {
                key: rule.mandatory_reason
                for key, rule in spec.rules.items()
                if rule.mandatory_review
            },
        ),
    }
    now = find_published_spec(policy.stream_id)
    if now is not None:
        preview = preview_change(stream_id=policy.stream_id, before=now, after=spec)
        context |= {"now": now, "preview": preview, "shares": list_shares(preview)}
    return context


def _list_problems(form: "forms.ModelForm[Policy]", rules: RuleFormSet) -> list[str]:
    """Each error once, with the name of its field, in the order of the page."""
    found = _name_errors(form, form.errors)
    found += [str(error) for error in rules.non_form_errors()]
    for row in rules.forms:
        category = getattr(row.instance, "category", None) if row.instance.category_id else None
        place = f"{category}, " if category else ""
        found += [place + text for text in _name_errors(row, row.errors)]
    return list(dict.fromkeys(found))


def _name_errors(form: forms.BaseForm, errors: ErrorDict) -> list[str]:
    return [
        f"{capfirst(form.fields[name].label or name)}: {error}" if name in form.fields else error
        for name, listed in errors.items()
        for error in listed
    ]
