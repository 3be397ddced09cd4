"""The posted answer: its fields, its errors in words, and what stays on the page."""

from dataclasses import dataclass, field
from uuid import UUID

from django import forms
from django.http import QueryDict
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from reviewqueue.models import Verdict
from reviewqueue.verdicts import AMBIGUOUS_AT_LEAST, Answer
from routing.core.grounding import SUPPORTED

Kind = Verdict.Kind
NAMELESS_KINDS = (Kind.NONE_FITS, Kind.CANNOT_JUDGE)
COMMENT_LONGEST = 4000
MOST_CLAIMS = 100
MODES = (Kind.CATEGORY, Kind.NONE_FITS, Kind.AMBIGUOUS)


@dataclass(frozen=True, slots=True)
class Entry:
    """What the answer form shows: what was chosen and typed, and what is wrong with it.

    Of a drafted sentence `block` is the id of the chosen one, "" for none in particular, None while
    nothing was said; `claims` are in the order of the item's.
    """

    mode: str = Kind.CATEGORY
    categories: tuple[str, ...] = ()
    proposed_name: str = ""
    comment: str = ""
    active_ms: int = 0
    block: str | None = None
    off_topic: bool = False
    claims: tuple[bool | None, ...] = ()
    errors: dict[str, str] = field(default_factory=dict)


def entry_of(verdict: Verdict) -> Entry:
    """What was entered for a verdict, to be shown again when it is undone."""
    return Entry(
        mode=verdict.kind if verdict.kind in MODES else Kind.CATEGORY,
        categories=tuple(verdict.categories),
        proposed_name=verdict.proposed_name,
        comment=verdict.comment,
        active_ms=verdict.active_ms,
        block=verdict.block,
        off_topic=verdict.off_topic,
        claims=tuple(verdict.claims or ()),
    )


class SharedFields(dict[str, forms.Field]):
    """Fields that every form of a class uses as they are, where Django copies each of them."""

    def __deepcopy__(self, _memo: object) -> "SharedFields":
        return SharedFields(self)


class LeaseForm(forms.Form):
    """Which lease a request rests on."""

    lease_token = forms.UUIDField()


def read_lease(posted: QueryDict) -> UUID | None:
    """The lease that a request rests on; None where it names none."""
    form = LeaseForm(posted)
    return form.cleaned_data["lease_token"] if form.is_valid() else None


class EscalationForm(LeaseForm):
    """Handing a task on, with what the expert should know; what is too long is cut, not lost."""

    comment = forms.CharField(required=False)

    def clean_comment(self) -> str:
        return str(self.cleaned_data["comment"])[:COMMENT_LONGEST]


class AheadForm(forms.Form):
    """The item ahead that the page shows already, if it does."""

    ahead = forms.UUIDField()
    ahead_token = forms.UUIDField()


class AnyKeysField(forms.MultipleChoiceField):
    """Category keys, whichever they are."""

    def valid_value(self, value: str) -> bool:  # noqa: ARG002
        return True


class JudgementForm(forms.Form):
    """A posted answer; whether its categories may be chosen is asked where it is recorded."""

    kind = forms.ChoiceField(
        choices=[(kind, kind) for kind in (*MODES, Kind.CANNOT_JUDGE)], required=True
    )
    categories = AnyKeysField(required=False)
    proposed_name = forms.CharField(max_length=120, required=False)
    comment = forms.CharField(max_length=COMMENT_LONGEST, required=False)
    active_ms = forms.IntegerField(min_value=0, required=False)
    block = forms.CharField(max_length=200, required=False)
    off_topic = forms.BooleanField(required=False)
    claim_count = forms.IntegerField(min_value=0, max_value=MOST_CLAIMS, required=False)

    def clean(self) -> dict[str, object]:
        """How many categories each kind of answer needs."""
        cleaned: dict[str, object] = super().clean() or {}
        if "categories" in self.errors or "kind" in self.errors:
            return cleaned
        kind, count = cleaned["kind"], len(self.cleaned_data["categories"])
        if kind == Kind.CATEGORY and count != 1:
            words = _("Choose a category, or say that none fits.")
            self.add_error("categories", words if not count else _("Choose one category only."))
        if kind == Kind.AMBIGUOUS and count < AMBIGUOUS_AT_LEAST:
            self.add_error("categories", _("Tick at least two categories that would do."))
        said = self._claims()
        if kind == Kind.CATEGORY and None in said and any(one is not None for one in said):
            self.add_error(
                "claim_count", _("Say of each claim whether it is supported, or of none.")
            )
        return cleaned

    def answer(self) -> Answer:
        """The valid answer; kinds without categories drop what was left ticked."""
        data = self.cleaned_data
        kind = data["kind"]
        return Answer(
            kind=kind,
            categories=() if kind in NAMELESS_KINDS else tuple(data["categories"]),
            proposed_name=data["proposed_name"] if kind == Kind.NONE_FITS else "",
            comment=data["comment"],
            # What is not supported is so by no block, whichever was chosen before.
            block=data["block"] if SUPPORTED in data["categories"] else "",
            off_topic=data["off_topic"],
            claims=self._judged_claims() if kind == Kind.CATEGORY else None,
        )

    def _judged_claims(self) -> tuple[bool, ...] | None:
        """What was said of each claim; None where nothing was, or there are none."""
        return tuple(one for one in self._claims() if one is not None) or None

    def _claims(self) -> tuple[bool | None, ...]:
        """Of each claim whether it is supported; None where nothing was said."""
        count = self.cleaned_data.get("claim_count") or 0
        said = {"yes": True, "no": False}
        return tuple(said.get(str(self.data.get(f"claim-{n}", ""))) for n in range(count))

    def entry(self, *, errors: dict[str, str] | None = None) -> Entry:
        """What was posted, valid or not, for the page to keep."""
        data = self.data
        kind = str(data.get("kind", ""))
        found = {name: str(words[0]) for name, words in self.errors.items() if words}
        return Entry(
            mode=kind if kind in MODES else Kind.CATEGORY,
            categories=tuple(data.getlist("categories")) if isinstance(data, QueryDict) else (),
            proposed_name=str(data.get("proposed_name", "")),
            comment=str(data.get("comment", "")),
            active_ms=self.cleaned_data.get("active_ms") or 0,
            block=str(data["block"]) if "block" in data else None,
            off_topic=bool(data.get("off_topic")),
            claims=self._claims(),
            errors=found | (errors or {}),
        )


class AnswerForm(JudgementForm, LeaseForm):
    """An answer to the task in hand."""


# Copying them took half as long as reading and checking the answer.
AnswerForm.base_fields = SharedFields(AnswerForm.base_fields)


class OverturnForm(JudgementForm):
    """An answer in another's place, and why."""

    comment = forms.CharField(
        max_length=4000,
        error_messages={"required": gettext_lazy("Say why; the comment stays with the item.")},
    )
