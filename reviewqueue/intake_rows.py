"""What newly stored items bring along: decisions, seats, draws, frame cells and announcements.

Gathered item by item, then stored with one COPY per table, or together where they are few.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID
from zoneinfo import ZoneInfo

from django.utils import timezone

from calibration.audits import (
    READ_RATES,
    Draw,
    Rates,
    draw_rows,
    hash_draws,
    is_judged_twice,
    make_rates,
)
from calibration.core.sampling import combined_pi
from calibration.frames import Cell, cell_rows
from reviewqueue.announcements import HEARS_ROUTED, announce_routed
from reviewqueue.models import RemoteAsk, ReviewTask
from routing.alarms import note_unknown_models
from routing.core.policy import Policy as PolicySpec
from routing.core.rules import Decision as Outcome
from routing.core.rules import RemoteAnswer
from routing.ids import uuid7
from routing.items import NewDecision, Post, copy_rows, decision_rows
from routing.models import Decision, Policy, Stream
from routing.policies import FIND_PUBLISHED
from routing.rows import fetch_rows
from routing.tables import Row, Table, store_rows

# A refused or automatic item has no seat; whether it gets one is the audit's draw.
QUEUE_OF_ACTION: Final[Mapping[str, ReviewTask.Queue]] = {
    Decision.Action.WAIT: ReviewTask.Queue.HOLD,
    Decision.Action.ACT_AND_REVIEW: ReviewTask.Queue.FLAGGED,
    Decision.Action.ESCALATE: ReviewTask.Queue.ESCALATED,
}
FLAGGED_DUE: Final = timedelta(days=1)
ASK_COLUMNS: Final = (
    *("id", "stream_id", "item_id", "decision_id", "model_id"),
    *("state", "tries", "due_at", "asked_at", "error"),
)
TASKS: Final = Table(
    ReviewTask,
    *("id", "stream_id", "item_id", "decision_id", "queue", "seat"),
    *("state", "blind", "pi", "priority", "due_at", "opened_at"),
)


@dataclass(frozen=True, slots=True)
class Standing:
    """What holds for a stream's next items; `policy_id` is None where nothing is published."""

    policy_id: UUID | None
    rates: Rates
    tells_routed: bool


# In one statement, since it is asked at every post.
READ_STANDING: Final = f"SELECT ({FIND_PUBLISHED}), ({READ_RATES}), EXISTS ({HEARS_ROUTED})"


def read_standing(stream: Stream) -> Standing:
    """The stream's published policy and rates, and whether a webhook hears where items go."""
    [(policy_id, own, is_heard)] = fetch_rows(READ_STANDING, {"stream": stream.id})
    return Standing(policy_id, make_rates(stream, own), is_heard)


class IntakeRows:
    """The rows that newly stored items bring along, gathered for one COPY per table."""

    def __init__(
        self,
        stream: Stream,
        standing: Standing,
        policy_id: UUID,
        at: datetime,
        *,
        labelled: bool,
    ) -> None:
        self.labelled = labelled
        self.stream = stream
        self.policy_id = policy_id
        self.tells = standing.tells_routed and not labelled
        self.at = at
        self.day = at.astimezone(ZoneInfo(stream.time_zone)).date()
        self.rates = standing.rates
        self.decisions: list[NewDecision] = []
        self.tasks: list[Row] = []
        self.draws: list[Draw] = []
        self.cells: list[Cell] = []
        self.asks: list[tuple[UUID, ...]] = []

    def add(
        self,
        post: Post,
        outcome: Outcome,
        item_id: UUID,
        matched: Sequence[str],
        remote: RemoteAnswer | None,
        *,
        at_capacity: bool,
    ) -> UUID:
        queue = QUEUE_OF_ACTION.get(outcome.action)
        decision_id = uuid7()
        if self.labelled:
            pi = 1.0
        elif queue is None:
            pi = self._audit(item_id, decision_id, outcome)
        elif queue == ReviewTask.Queue.FLAGGED:
            pi = self.stream.bulk_label_rate
            drawn = self._draws(item_id, pi, "flagged")
            twice = drawn and self._twice(item_id, outcome)
            chance = pi if drawn else None
            self._seat(post, queue, item_id, decision_id, blind=drawn, pi=chance, twice=twice)
        else:
            pi = 1.0
            blind = self._draws(item_id, self.stream.blind_rate, "blind")
            twice = queue != ReviewTask.Queue.ESCALATED and self._twice(item_id, outcome)
            self._seat(post, queue, item_id, decision_id, blind=blind, pi=pi, twice=twice)
        if outcome.asks:
            self.asks.append((uuid7(), self.stream.id, item_id, decision_id))
        self.decisions.append(
            NewDecision(
                decision_id, item_id, self.policy_id, outcome, pi, matched, remote, at_capacity
            )
        )
        self.cells.append(
            Cell(
                day=self.day,
                policy_id=self.policy_id,
                model_version=post.model_version,
                category=outcome.predicted,
                queue=outcome.queue,
                pi=pi,
                raw_confidence=outcome.raw_confidence,
            )
        )
        return decision_id

    def _audit(self, item_id: UUID, decision_id: UUID, outcome: Outcome) -> float:
        """Draw for the audit, and for the top-up besides; the chance to come by either."""
        rates = {"audit": self.rates.audit(outcome.predicted)}
        if self.stream.topup_rate and outcome.confidence >= self.stream.topup_from:
            rates["topup"] = self.stream.topup_rate
        pi = combined_pi(*rates.values())
        if any(self._draws(item_id, rate, purpose) for purpose, rate in rates.items()):
            self.draws.append(Draw(item_id, decision_id, pi))
        return pi

    def _twice(self, item_id: UUID, outcome: Outcome) -> bool:
        return is_judged_twice(rates=self.rates, item_id=item_id, predicted=outcome.predicted)

    def _draws(self, item_id: UUID, rate: float, purpose: str) -> bool:
        return hash_draws(stream_id=self.stream.id, item_id=item_id, rate=rate, purpose=purpose)

    def _seat(
        self,
        post: Post,
        queue: str,
        item_id: UUID,
        decision_id: UUID,
        *,
        blind: bool,
        pi: float | None,
        twice: bool,
    ) -> None:
        patience = (
            FLAGGED_DUE
            if queue == ReviewTask.Queue.FLAGGED
            else timedelta(hours=self.stream.hold_hours)
        )
        due_at = post.due_at or self.at + patience
        ids = self.stream.id, item_id, decision_id
        alike = "open", blind, pi, post.priority, due_at, self.at
        self.tasks += [(uuid7(), *ids, queue, seat, *alike) for seat in ((1, 2) if twice else (1,))]

    def note_models(self, spec: PolicySpec) -> None:
        """Raise alarms about what comes in now; labelled items are history, on which none act."""
        if not self.labelled:
            note_unknown_models(
                stream_id=self.stream.id,
                policy_id=self.policy_id,
                spec=spec,
                model_versions=[cell.model_version for cell in self.cells],
                at=self.at,
            )

    def tell(self, spec: PolicySpec) -> None:
        """Announce where the items went; not those that came with a label, which none acts on."""
        if self.decisions and self.tells:
            announce_routed(
                self.stream, self.decisions, spec_version=spec.version, at=timezone.now()
            )

    def parts(self, *, decided_at: datetime) -> list[tuple[Table, list[Row]]]:
        """What was gathered, as it is stored; without the remote questions."""
        stream_id = self.stream.id
        return [
            decision_rows(stream_id=stream_id, decisions=self.decisions, decided_at=decided_at),
            (TASKS, self.tasks),
            draw_rows(stream_id=stream_id, draws=self.draws, drawn_at=decided_at),
            cell_rows(stream_id=stream_id, cells=self.cells),
        ]

    def store(
        self, *, decided_at: datetime | None = None, instead_of: Decision | None = None
    ) -> None:
        """Write it all. Further decisions say when they were made, and instead of which one."""
        if not self.decisions:
            return
        store_rows(*self.parts(decided_at=decided_at or self.at))
        if instead_of is not None:
            undone = cell_rows(
                stream_id=self.stream.id, cells=[self._cell_of(instead_of)], count=-1
            )
            store_rows(undone)
        if self.asks:
            self._store_asks()

    def _store_asks(self) -> None:
        model_id = Policy.objects.values_list("remote_model_id", flat=True).get(id=self.policy_id)
        copy_rows(
            RemoteAsk._meta.db_table,
            ASK_COLUMNS,
            ((*ids, model_id, "due", 0, self.at, self.at, "") for ids in self.asks),
        )

    def _cell_of(self, decision: Decision) -> Cell:
        return Cell(
            day=self.day,
            policy_id=decision.policy_id,
            model_version=decision.item.model_version,
            category=decision.predicted,
            queue=decision.queue,
            pi=decision.label_pi,
            raw_confidence=decision.raw_confidence,
        )
