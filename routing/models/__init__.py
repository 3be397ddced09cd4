"""What the machine decides about: streams, categories, policies, items, decisions, events.

`stream` stands in every table and leads every business key and hot index, so that a stream's
rows can be found, moved or partitioned without touching another's. Primary keys are uuid7.
"""

from routing.models.announcements import Announcement
from routing.models.guards import (
    OF_ERASED_ITEM,
    PROBABILITY,
    Erasable,
    append_only,
    fixed_when,
    kept,
    never_truncated,
    probability_check,
)
from routing.models.policies import CategoryRule, KeywordRule, Policy, RemoteModel
from routing.models.records import Decision, Event, Item, ModelAlarm
from routing.models.streams import Category, Stream

__all__ = [
    "OF_ERASED_ITEM",
    "PROBABILITY",
    "Announcement",
    "Category",
    "CategoryRule",
    "Decision",
    "Erasable",
    "Event",
    "Item",
    "KeywordRule",
    "ModelAlarm",
    "Policy",
    "RemoteModel",
    "Stream",
    "append_only",
    "fixed_when",
    "kept",
    "never_truncated",
    "probability_check",
]
