"""Constraints and triggers that several tables share."""

from dataclasses import dataclass
from typing import Final

import pgtrigger
from django.core.validators import (
    MaxValueValidator,
    MinValueValidator,
)
from django.db import models
from django.db.models import Q

PROBABILITY = (MinValueValidator(0.0), MaxValueValidator(1.0))


@dataclass(frozen=True, slots=True)
class Erasable:
    """The one change that an append-only row may see: what somebody wrote in it is emptied.

    `emptied` is what the row as JSON has instead, and `once` when that is allowed; both in SQL.
    """

    emptied: str
    once: str


# Of rows that belong to an item: they may be emptied once that is.
OF_ERASED_ITEM: Final = """EXISTS (
    SELECT FROM routing_item AS item WHERE item.id = OLD.item_id AND item.erased_at IS NOT NULL)"""


def append_only(
    name: str = "append_only", *, erasable: Erasable | None = None
) -> list[pgtrigger.Trigger]:
    """Triggers that refuse UPDATE, DELETE and TRUNCATE, whoever asks and however."""
    return [
        _refuse_changes(name, erasable),
        never_truncated(f"{name}_truncate"),
    ]


def kept(*fixed: str) -> list[pgtrigger.Trigger]:
    """Triggers of rows that only grow: DELETE, TRUNCATE and changes of `fixed` are refused.

    `fixed` are names of columns; a statement that sets none of them pays nothing.
    """
    return [
        pgtrigger.Protect(name="kept", operation=pgtrigger.Delete),
        fixed_when("kept_as_it_was", *fixed, condition=pgtrigger.AnyChange(*fixed)),
        never_truncated(),
    ]


def fixed_when(
    name: str, *columns: str, condition: pgtrigger.Condition | pgtrigger.Q
) -> pgtrigger.Trigger:
    """A trigger that refuses to set any of the columns where the condition holds."""
    operation = pgtrigger.UpdateOf(*columns)  # type: ignore[no-untyped-call]  # pgtrigger's own
    return pgtrigger.Protect(name=name, operation=operation, condition=condition)


def never_truncated(name: str = "never_truncated") -> pgtrigger.Trigger:
    """A trigger that refuses TRUNCATE, which no trigger for each row sees."""
    return pgtrigger.Trigger(
        name=name,
        when=pgtrigger.Before,
        operation=pgtrigger.Truncate,
        level=pgtrigger.Statement,
        func="RAISE EXCEPTION 'pgtrigger: Cannot truncate rows from % table', TG_TABLE_NAME;",
    )


def _refuse_changes(name: str, erasable: Erasable | None) -> pgtrigger.Trigger:
    if erasable is None:
        return pgtrigger.Protect(name=name, operation=pgtrigger.Update | pgtrigger.Delete)
    return pgtrigger.Trigger(
        name=name,
        when=pgtrigger.Before,
        operation=pgtrigger.Update | pgtrigger.Delete,
        func=f"""
        IF TG_OP = 'UPDATE' THEN
            IF to_jsonb(NEW) = to_jsonb(OLD) || {erasable.emptied} AND {erasable.once} THEN
                RETURN NEW;
            END IF;
        END IF;
        RAISE EXCEPTION 'pgtrigger: Cannot update or delete rows from % table', TG_TABLE_NAME;
        """,
    )


def probability_check(name: str, *fields: str) -> models.CheckConstraint:
    """Each of `fields` is unset or within 0..1 (NaN is above 1 to PostgreSQL)."""
    condition = Q()
    for field in fields:
        condition &= Q(**{f"{field}__isnull": True}) | Q(
            **{f"{field}__gte": 0.0, f"{field}__lte": 1.0}
        )
    return models.CheckConstraint(condition=condition, name=name)


def immutable_once_published() -> list[pgtrigger.Trigger]:
    """The guard of what belongs to a policy: nothing changes once that is published."""
    return [
        pgtrigger.Trigger(
            name="of_published_is_immutable",
            when=pgtrigger.Before,
            operation=pgtrigger.Insert | pgtrigger.Update | pgtrigger.Delete,
            declare=[("changed", "uuid")],
            func="""
            FOREACH changed IN ARRAY
                CASE TG_OP WHEN 'INSERT' THEN ARRAY[NEW.policy_id]
                           WHEN 'DELETE' THEN ARRAY[OLD.policy_id]
                           ELSE ARRAY[OLD.policy_id, NEW.policy_id] END
            LOOP
                IF EXISTS (SELECT 1 FROM routing_policy
                           WHERE id = changed AND version IS NOT NULL) THEN
                    RAISE EXCEPTION
                        'pgtrigger: rules of a published policy are immutable (%)', changed;
                END IF;
            END LOOP;
            IF TG_OP = 'DELETE' THEN RETURN OLD; END IF;
            RETURN NEW;
            """,
        ),
        never_truncated(),
    ]
