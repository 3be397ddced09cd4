"""The fallback chain: what is tried for an item that nobody could act on, and in which order.

Steps, in the order in which a policy lists them; each may stand once, *person* and *uncertain*
at the end:

    secondary   the scores of a second model, posted with the item
    rules       the keyword and regex rules of the policy
    remote      a second model that is asked over HTTP while the item waits in hold
    person      a refusal becomes a seat for a person, who sees what the others said
    uncertain   an item that would wait is answered "uncertain" at once

Where no step settles it the first queue stands.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final

from routing.core.keywords import KeywordRule, KeywordRules
from routing.core.maps import CalibrationMap, PolicyError

__all__ = ["NO_FALLBACK", "SOURCES", "STEPS", "Fallback"]

SOURCES: Final = ("secondary", "rules", "remote")
STEPS: Final = (*SOURCES, "person", "uncertain")


@dataclass(frozen=True, slots=True)
class Fallback:
    """A policy's chain. Raises PolicyError, naming the field, when it cannot be followed.

    `source_maps` calibrate a source's confidence, the identity where there is none; `remote_model`
    names the model that the step *remote* asks.
    """

    steps: tuple[str, ...] = ()
    keyword_rules: tuple[KeywordRule, ...] = ()
    remote_model: str = ""
    source_maps: Mapping[str, CalibrationMap] = field(default_factory=dict, hash=False)
    compiled: KeywordRules = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "source_maps", MappingProxyType(dict(self.source_maps)))
        _check_steps(self.steps)
        for source in self.source_maps:
            if source not in SOURCES:
                raise PolicyError(
                    f"source_maps: {source!r} is no second opinion; use {', '.join(SOURCES)}",
                    field=f"source_maps.{source}",
                )
        if "rules" in self.steps and not self.keyword_rules:
            raise PolicyError(
                "the fallback lists rules but there are none; add rules or take the step out",
                field="fallback_steps",
            )
        if "remote" in self.steps and not self.remote_model:
            raise PolicyError(
                "the fallback asks a remote model but none is chosen; choose one or take the "
                "step out",
                field="remote_model",
            )
        object.__setattr__(self, "compiled", KeywordRules(self.keyword_rules))

    def check_categories(self, categories: Sequence[str]) -> None:
        """Raises PolicyError when a rule names a category that is not among `categories`."""
        for rule in self.keyword_rules:
            if rule.category not in categories:
                raise PolicyError(
                    f"{rule.id}: {rule.category!r} is no category of this policy; "
                    "add it or remove the rule",
                    field=f"keyword_rules.{rule.id}.category",
                )

    @property
    def sources(self) -> tuple[str, ...]:
        """The steps that ask for a second opinion."""
        return tuple(step for step in self.steps if step in SOURCES)

    def match(self, payload: Mapping[str, object]) -> tuple[str, ...]:
        """Ids of the rules that match a payload; none where the chain does not ask them."""
        return self.compiled.match(payload) if "rules" in self.steps else ()


def _check_steps(steps: Sequence[str]) -> None:
    for place, step in enumerate(steps):
        if step not in STEPS:
            raise PolicyError(
                f"fallback: {step!r} is no step; use {', '.join(STEPS)}", field="fallback_steps"
            )
        if step in steps[:place]:
            raise PolicyError(
                f"fallback: {step} stands twice; name each step once", field="fallback_steps"
            )
    ends = [step for step in steps if step not in SOURCES]
    if list(steps[len(steps) - len(ends) :]) != ends or ends == ["uncertain", "person"]:
        raise PolicyError(
            "fallback: a person comes after the second opinions and uncertain comes last; "
            "put the steps in that order",
            field="fallback_steps",
        )


NO_FALLBACK: Final = Fallback()
