"""What one version of a policy says differently from another, and what that would change."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any
from uuid import UUID

from django.contrib.admin.utils import label_for_field
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_safe

from routing.admin.pages import PolicyPages
from routing.admin.shares import list_changes, list_matrix
from routing.core.difference import Difference, find_differences, find_lifted
from routing.core.policy import Policy as PolicySpec
from routing.core.policy import PolicyError
from routing.models import Category, CategoryRule, Policy, Stream
from routing.policies import load_spec
from routing.previews import EXAMPLES, preview_change

FIELD_NAMES = {
    "min_margin": gettext_lazy("Least margin"),
    "max_entropy": gettext_lazy("Highest entropy"),
    "distrust_entropy": gettext_lazy("Highest entropy where distrusted"),
    "escalate_entropy": gettext_lazy("Escalate from entropy"),
    "model_versions": gettext_lazy("Fitted on"),
    "on_other_model": gettext_lazy("Another model version"),
    "uncalibrated": gettext_lazy("No calibration map"),
    "fallback_steps": gettext_lazy("Fallback steps"),
    "remote_model": gettext_lazy("Remote model"),
    "categories": gettext_lazy("Categories"),
    "map": gettext_lazy("Calibration map"),
    "distrusted": gettext_lazy("Distrusted confidence"),
    "reporting_edges": gettext_lazy("Edges of reporting bands"),
    "entailment_weight": gettext_lazy("Weight of entailment"),
    "gap_weight": gettext_lazy("Weight of the gap"),
    "claims_weight": gettext_lazy("Weight of the claims"),
    "gap_low": gettext_lazy("Smallest gap"),
    "gap_high": gettext_lazy("Largest gap"),
}

PARTS = {
    "keyword_rule": gettext_lazy("Keyword rule %(name)s"),
    "map": gettext_lazy("Calibration map of %(name)s"),
}


@dataclass(frozen=True, slots=True)
class Change:
    """One line of the difference, in the words of the forms."""

    category: str
    name: str
    before: str
    after: str


@dataclass(frozen=True, slots=True)
class Comparison:
    """A policy beside the version it is compared with."""

    old: PolicySpec | None
    new: PolicySpec
    differences: Sequence[Difference]
    changes: Sequence[Change]
    lifted: Sequence[str]

    def digest(self) -> str:
        """What was shown: another publication or edit in the meantime changes it."""
        shown = [self.old.version if self.old else 0, [asdict(each) for each in self.differences]]
        return hashlib.sha256(json.dumps(shown).encode()).hexdigest()


def compare(old: PolicySpec | None, new: PolicySpec, stream: Stream) -> Comparison:
    labels = dict(Category.objects.filter(stream=stream).values_list("key", "label"))
    differences = find_differences(old, new)
    changes = [
        Change(
            category=labels.get(each.category, each.category),
            name=_name_field(each),
            before=_name_value(each, each.before),
            after=_name_value(each, each.after),
        )
        for each in differences
    ]
    lifted = [labels.get(key, key) for key in find_lifted(old, new)]
    return Comparison(old, new, differences, changes, lifted)


def _name_field(difference: Difference) -> str:
    if other := FIELD_NAMES.get(difference.field):
        return str(other)
    what, _space, which = difference.field.partition(" ")
    if which:
        return PARTS[what] % {"name": which.removeprefix("of ")}
    return str(label_for_field(difference.field, CategoryRule if difference.category else Policy))


def _name_value(difference: Difference, value: str) -> str:
    if difference.field == "fallback_steps":
        words = dict(Policy.FallbackStep.choices)
        return ", ".join(str(words.get(step, step)) for step in value.split(", "))
    choices: dict[Any, Any] = {
        "reject_action": dict(Policy.RejectAction.choices),
        "on_other_model": dict(Policy.OtherModel.choices),
        "uncalibrated": dict(Policy.Uncalibrated.choices),
    }.get(difference.field, {})
    return str(choices.get(value, value))


class DifferencePages(PolicyPages):
    def difference_view(self, request: HttpRequest, policy_id: UUID) -> HttpResponse:
        """What differs from the version it was made from, or from `?against=` another."""
        return require_safe(self._show_difference)(request, policy_id)

    def _show_difference(self, request: HttpRequest, policy_id: UUID) -> HttpResponse:
        policy = self._find_policy(request, policy_id)
        others = list(
            self.get_queryset(request)
            .filter(stream=policy.stream_id)
            .exclude(id=policy.id)
            .order_by("-version", "-created_at")
        )
        chosen = request.GET.get("against") or str(policy.based_on_id or "")
        base = next((other for other in others if str(other.id) == chosen), None)
        title = _("What %(policy)s says differently") % {"policy": policy}
        context = self._page(request, title, policy)
        context |= {"base": base, "others": others}
        try:
            old = None if base is None else load_as_published(base)
            new = load_as_published(policy)
            context |= {"changes": compare(old, new, policy.stream).changes}
        except PolicyError as error:
            context |= {"problem": str(error)}
        else:
            if old is not None:
                context |= _show_effect(policy.stream, old, new)
        context["may_open_items"] = request.user.has_perm("routing.view_item")
        return TemplateResponse(request, "admin/routing/policy/difference.html", context)


def load_as_published(policy: Policy) -> PolicySpec:
    """The value of a policy; a draft's is the one that it would be published with."""
    if not policy.is_published:
        policy.reporting_edges = policy.stream.reporting_edges
    return load_spec(policy)


def _show_effect(stream: Stream, old: PolicySpec, new: PolicySpec) -> dict[str, Any]:
    """What the newer of two policies does differently with the items that came last."""
    preview = preview_change(stream_id=stream.id, before=old, after=new, examples=EXAMPLES)
    columns, rows = list_matrix(preview) if preview.items else ([], [])
    return {
        "preview": preview,
        "columns": columns,
        "rows": rows,
        "moves": list_changes(preview),
    }
