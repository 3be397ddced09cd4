"""The admin's pages for streams, policies and what was decided."""

from routing.admin.policies import PolicyAdmin
from routing.admin.records import DecisionAdmin, EventAdmin, ItemAdmin
from routing.admin.streams import StreamAdmin

__all__ = ["DecisionAdmin", "EventAdmin", "ItemAdmin", "PolicyAdmin", "StreamAdmin"]
