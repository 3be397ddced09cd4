"""The form of a policy: the core's rules say what is wrong, at the field that is."""

import hashlib
from typing import TYPE_CHECKING, Any, ClassVar, cast

from django import forms
from django.http import QueryDict
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from routing.admin.differences import FIELD_NAMES
from routing.core.grounding import DEFAULT_GROUNDING, GAP_RANGE, WEIGHTS
from routing.core.policy import GATES, PolicyError
from routing.models import Policy, RemoteModel
from routing.policies import active_keys, build_spec

if TYPE_CHECKING:
    from django.utils.functional import _StrPromise

    PolicyModelForm = forms.ModelForm[Policy]
else:
    PolicyModelForm = forms.ModelForm

KEPT = ("maps", "source_maps", "distrusted", "grounding")
CUT_OFFS = ("auto", "flagged", "hold")
GROUNDING = (*WEIGHTS, *GAP_RANGE)


class StepsWidget(forms.MultiWidget):
    """As many selects as there are steps, the first for what is tried first."""

    def __init__(self) -> None:
        choices = [("", "–"), *Policy.FallbackStep.choices]
        names = [_("Step %(number)d") % {"number": n + 1} for n in range(len(choices) - 1)]
        super().__init__(
            [forms.Select(attrs={"aria-label": name}, choices=choices) for name in names],
            attrs={"class": "step"},
        )

    def decompress(self, value: Any) -> list[str]:
        return [*(value or [])]


class StepsField(forms.MultiValueField):
    """The steps of the chain in order; what is left empty between them is closed up."""

    def __init__(self, **kwargs: Any) -> None:
        choices = [("", ""), *Policy.FallbackStep.choices]
        fields = [forms.ChoiceField(choices=choices, required=False) for _step in choices[1:]]
        super().__init__(
            fields, widget=StepsWidget(), require_all_fields=False, required=False, **kwargs
        )

    def compress(self, data_list: list[str]) -> list[str]:
        return [step for step in data_list if step]


def _weigh(name: str, help_text: "str | _StrPromise" = "") -> forms.FloatField:
    """The field of a number of `Grounding`."""
    return forms.FloatField(
        label=FIELD_NAMES[name],
        required=False,
        help_text=help_text,
        widget=forms.NumberInput(attrs={"step": "any"}),
    )


class PolicyForm(PolicyModelForm):
    entailment_weight = _weigh("entailment_weight")
    gap_weight = _weigh("gap_weight")
    claims_weight = _weigh("claims_weight")
    gap_low = _weigh("gap_low", gettext_lazy("Scores no more apart than this count as 0."))
    gap_high = _weigh("gap_high", gettext_lazy("Scores this far apart count as 1."))

    fallback_steps = StepsField(
        label=FIELD_NAMES["fallback_steps"],
        help_text=gettext_lazy("A person or “uncertain” comes last, or neither."),
    )

    # What was on the screen: somebody who saves in the meantime is not overwritten unseen.
    seen = forms.CharField(required=False, widget=forms.HiddenInput)

    class Meta:
        labels = FIELD_NAMES
        help_texts: ClassVar = {
            "min_margin": gettext_lazy("First minus second raw probability."),
            "max_entropy": gettext_lazy("Of the raw probabilities, 0 to 1."),
            "escalate_entropy": gettext_lazy("From here on an expert sees it at once."),
            "on_other_model": gettext_lazy("For a model version that is not listed."),
            "remote_model": gettext_lazy(
                "Asked for a second opinion while the item waits. Kept under Remote models."
            ),
        }
        widgets: ClassVar = {
            name: forms.NumberInput(attrs={"min": 0, "max": 1, "step": "any"})
            for name in (*CUT_OFFS, *GATES)
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.stored = "" if self.instance._state.adding else digest_draft(self.instance)
        self.initial["seen"] = self.stored
        self.initial.update(self.instance.grounding or {})
        if "remote_model" in self.fields:
            field = cast("forms.ModelChoiceField[RemoteModel]", self.fields["remote_model"])
            # A stream's own: none while the stream is not chosen.
            field.queryset = RemoteModel.objects.filter(stream=self.instance.stream_id)
            for verb in ("add", "change", "delete", "view"):
                setattr(field.widget, f"can_{verb}_related", False)

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        self._check_seen(cleaned.get("seen", ""))
        stream = cleaned.get("stream") or (
            None if self.instance._state.adding else self.instance.stream
        )
        if stream is None or self.errors:
            return cleaned
        self.instance.grounding = self._read_grounding(cleaned) if stream.is_grounded else None
        kept = {name: getattr(self.instance, name) for name in KEPT}
        values = {name: cleaned[name] for name in self._meta.fields or () if name in cleaned}
        for name in ("seen", *GROUNDING):
            values.pop(name, None)
        candidate = Policy(**(kept | values | {"stream": stream}))
        candidate.reporting_edges = stream.reporting_edges
        try:
            build_spec(candidate, keys=active_keys(stream.id), rules=())
        except PolicyError as error:
            self._show_error(error)
        return cleaned

    def _read_grounding(self, cleaned: dict[str, Any]) -> dict[str, float]:
        """The weights of the form; those of before, or the usual ones, where it has none."""
        usual = self.instance.grounding or DEFAULT_GROUNDING.to_json()
        given = {name: cleaned.get(name) for name in GROUNDING}
        return usual | {name: value for name, value in given.items() if value is not None}

    def _check_seen(self, seen: str) -> None:
        if self.instance._state.adding or seen == self.stored:
            return
        # Shown again with what stands now, so that saving once more is a decision.
        data = cast(QueryDict, self.data).copy()
        data[self.add_prefix("seen")] = self.stored
        self.data = data
        text = _(
            "Somebody else saved this draft while you were editing it, so nothing of yours was "
            "saved. Open it in another tab to see theirs; saving again replaces it by what "
            "stands here."
        )
        if not seen:
            text = _(
                "The form did not say what it was opened from, so nothing was saved. Saving again "
                "replaces the draft by what stands here."
            )
        self.add_error(None, text)

    def _show_error(self, error: PolicyError) -> None:
        name = error.field.rpartition(".")[2]
        if name == "categories" and "stream" in self.fields:
            message = _("The stream has no categories; add them first.")
            self.add_error("stream", message)
        else:
            self.add_error(name if name in self.fields else None, str(error))


def digest_draft(policy: Policy) -> str:
    """What is stored of a draft, its rules included: another save changes it."""
    names = [field.attname for field in Policy._meta.concrete_fields if field.editable]
    names.append("grounding")
    rows = [
        list(rules.order_by("id").values_list())
        for rules in (policy.rules.all(), policy.keyword_rules.all())
    ]
    text = repr([[getattr(policy, name) for name in names], rows])
    return hashlib.sha256(text.encode()).hexdigest()
