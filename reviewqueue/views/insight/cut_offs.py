"""The cut-offs that somebody tries: read from an address or a form, and laid over the policy."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from django import forms
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from routing.core.policy import BANDS, CategoryRule, CutOffs, Policy, PolicyError
from routing.core.signals import show_number

NAMES: Final = {
    "auto": gettext_lazy("Auto from"),
    "flagged": gettext_lazy("Flagged from"),
    "hold": gettext_lazy("Hold from"),
}
MOST_OWN: Final = 200


@dataclass(frozen=True, slots=True)
class Control:
    """One cut-off on the page: what was typed, where the slider stands, and what is wrong."""

    name: str
    label: str
    value: str
    position: str
    today: str
    error: str


@dataclass(frozen=True, slots=True)
class OwnControls:
    """The cut-offs of one category; empty ones are the stream's."""

    key: str
    label: str
    controls: Sequence[Control]
    is_new: bool


@dataclass(frozen=True, slots=True)
class Tried:
    """What was read: the policy with these cut-offs, or None where something is wrong with them.

    `own` are the cut-offs by category that were typed, None where the stream's hold; `typed` is
    what was read, and `values` those fields of it that are to be sent again.
    """

    policy: Policy | None
    own: Mapping[str, Mapping[str, float | None]]
    typed: Mapping[str, str]
    values: Sequence[tuple[str, str]]
    errors: Mapping[str, str]
    problem: str

    @property
    def is_valid(self) -> bool:
        """Whether there is a policy to try."""
        return self.policy is not None


def field_name(band: str, category: str = "") -> str:
    """The field's name: `auto`, or `auto:billing` of a category."""
    return f"{band}:{category}" if category else band


def read_tried(data: Mapping[str, str], policy: Policy) -> Tried:
    """Lay what `data` says over `policy`; what it does not name stays."""
    errors: dict[str, str] = {}
    stream = {
        band: _read(data, field_name(band), getattr(policy.cut_offs, band), errors)
        for band in BANDS
    }
    own = {
        key: {
            band: _read(data, field_name(band, key), _own_of(policy, key, band), errors)
            for band in BANDS
        }
        for key in _named(data, policy)
    }
    values = [
        (name, data[name])
        for key in ("", *own)
        for band in BANDS
        if (name := field_name(band, key)) in data
    ]
    tried, problem = None, ""
    if any(number is None for number in stream.values()) and not errors:
        errors |= {band: _("Give a number from 0 to 1.") for band in BANDS if stream[band] is None}
    if not errors:
        cut_offs = CutOffs(**{band: float(number or 0.0) for band, number in stream.items()})
        try:
            tried = _lay_over(policy, cut_offs, own)
        except PolicyError as error:
            problem = str(error)
    return Tried(tried, own, data, values, errors, problem)


def draw_controls(tried: Tried, policy: Policy, category: str = "") -> list[Control]:
    """The three cut-offs of the stream or of a category as fields."""
    controls = []
    for band in BANDS:
        name = field_name(band, category)
        now = _own_of(policy, category, band) if category else getattr(policy.cut_offs, band)
        value = tried.typed.get(name, "" if now is None else show_number(now))
        used = getattr(policy.effective(category) if category else policy.cut_offs, band)
        position = value if _is_share(value) else show_number(used)
        controls.append(
            Control(
                name=name,
                label=str(NAMES[band]),
                value=value,
                position=position,
                today=_("as above")
                if now is None
                else _("today %(number)s") % {"number": show_number(now)},
                error=tried.errors.get(name, ""),
            )
        )
    return controls


def _named(data: Mapping[str, str], policy: Policy) -> list[str]:
    """Categories that have cut-offs of their own, in the policy or in what was typed."""
    named = {name.partition(":")[2] for name in data if ":" in name} | {data.get("add", "")}
    return [
        key
        for key in policy.categories
        if key in named or any(_own_of(policy, key, band) is not None for band in BANDS)
    ][:MOST_OWN]


def _read(
    data: Mapping[str, str], name: str, now: float | None, errors: dict[str, str]
) -> float | None:
    if name not in data:
        return now
    text = data[name].strip().replace(",", ".")
    if not text:
        return None
    try:
        number: float = forms.FloatField(min_value=0.0, max_value=1.0).clean(text)
    except forms.ValidationError:
        wrong = _("%(value)s is no share; give a number from 0 to 1.")
        errors[name] = wrong % {"value": text[:20]}
        return None
    return number


def _lay_over(
    policy: Policy, cut_offs: CutOffs, own: Mapping[str, Mapping[str, float | None]]
) -> Policy:
    rules = dict(policy.rules)
    for key, numbers in own.items():
        rules[key] = replace(rules.get(key, CategoryRule()), **numbers)  # type: ignore[arg-type]
    return replace(policy, cut_offs=cut_offs, rules=rules)


def _own_of(policy: Policy, key: str, band: str) -> float | None:
    rule = policy.rules.get(key)
    number: float | None = None if rule is None else getattr(rule, band)
    return number


def _is_share(text: str) -> bool:
    try:
        return 0.0 <= float(text) <= 1.0
    except ValueError:
        return False
