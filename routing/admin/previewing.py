"""What a draft would do with the items that came last, beside its fields and as a page."""

from collections.abc import Sequence
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
from routing.admin.differences import load_as_published
from routing.admin.pages import INVALID, PolicyPages
from routing.admin.policy_rows import RowsOfPolicy
from routing.admin.shares import list_reviewed, list_shares
from routing.core.keywords import KeywordRule as KeywordRuleSpec
from routing.core.policy import Policy as PolicySpec
from routing.core.policy import PolicyError
from routing.models import Policy
from routing.policies import active_keys, build_spec, published_spec
from routing.previews import preview_change


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
        try:
            return _show(policy, load_as_published(policy))
        except PolicyError as error:
            return {"problems": [str(error)]}

    def _preview_edits(self, request: HttpRequest, policy: Policy) -> HttpResponse:
        if not self.has_change_permission(request, policy):
            raise PermissionDenied
        template = "admin/routing/policy/preview_part.html"
        form = self.get_form(request, policy, change=True)(request.POST, instance=policy)
        is_valid = form.is_valid()
        made, _inlines = self._create_formsets(request, policy, change=True)  # type: ignore[attr-defined]  # Django's
        formsets: list[RowsOfPolicy] = made
        if not all([is_valid, *(formset.is_valid() for formset in formsets)]):
            context: dict[str, Any] = {"problems": _list_problems(form, formsets)}
            return TemplateResponse(request, template, context, status=INVALID)
        # A stream of drafted sentences has no rules, and no forms for them.
        rules, keyword_rules = [formset.kept_rules() for formset in formsets] or ((), ())
        policy.reporting_edges = policy.stream.reporting_edges
        keys = active_keys(policy.stream_id)
        spec = build_spec(policy, keys=keys, rules=rules, keyword_rules=keyword_rules)
        context = _show(policy, spec)
        if text := request.POST.get("try_text", "").strip():
            context["tried"] = _try_rules(spec, text)
        return TemplateResponse(request, template, context)


def _show(policy: Policy, spec: PolicySpec) -> dict[str, Any]:
    context: dict[str, Any] = {
        "original": policy,
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
    now = policy.stream.policies.current().first()
    if now is not None:
        published = published_spec(now.id)
        preview = preview_change(stream_id=policy.stream_id, before=published, after=spec)
        context |= {"now": now, "preview": preview, "shares": list_shares(preview)}
    return context


def _try_rules(spec: PolicySpec, text: str) -> list[KeywordRuleSpec]:
    """The keyword rules that would match a text, whichever field they read it in."""
    rules = spec.fallback.keyword_rules
    matched = spec.fallback.compiled.match({rule.field: text for rule in rules})
    return [rule for rule in rules if rule.id in matched]


def _list_problems(form: "forms.ModelForm[Policy]", formsets: Sequence[RowsOfPolicy]) -> list[str]:
    """Each error once, with the name of its field, in the order of the page."""
    found = _name_errors(form, form.errors)
    for formset in formsets:
        found += [str(error) for error in formset.non_form_errors()]
        for row in formset.forms:
            known = row.instance.category if row.instance.category_id else None
            place = f"{known or capfirst(row.instance._meta.verbose_name)}, "
            found += [place + text for text in _name_errors(row, row.errors)]
    return list(dict.fromkeys(found))


def _name_errors(form: forms.BaseForm, errors: ErrorDict) -> list[str]:
    return [
        f"{capfirst(form.fields[name].label or name)}: {error}"
        if name in form.fields
        else str(error)
        for name, listed in errors.items()
        for error in listed
    ]
