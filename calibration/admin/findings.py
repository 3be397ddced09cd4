"""A run's report as rows of words and figures; what a report does not say is left out."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, TypeGuard

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from calibration.models import CalibrationRun
from routing.core.signals import show_number

VERDICTS: Final = {
    "calibrated": (gettext_lazy("calibrated"), "calibrated"),
    "overconfident_certain": (gettext_lazy("overconfident, certain"), "over"),
    "overconfident_possible": (gettext_lazy("overconfident, possible"), "over"),
    "underconfident_certain": (gettext_lazy("underconfident, certain"), "under"),
    "underconfident_possible": (gettext_lazy("underconfident, possible"), "under"),
    "not_enough_labels": (gettext_lazy("not enough labels"), "few"),
}
QUEUES: Final = ("auto", "flagged", "hold", "reject")
NOTHING: Final = "–"


@dataclass(frozen=True, slots=True)
class BandRow:
    """One cell of a reliability table, in figures."""

    category: str
    band: str
    labels: int
    items: str
    promised: str
    right: str
    interval: str
    gap: str
    verdict: str
    tone: str


@dataclass(frozen=True, slots=True)
class Table:
    """A reliability table: of all categories together, or of each."""

    caption: str
    rows: Sequence[BandRow]
    by_category: bool

    @property
    def broken(self) -> int:
        """How many cells break their promise, certainly or possibly."""
        return sum(1 for row in self.rows if row.tone in ("over", "under"))


@dataclass(frozen=True, slots=True)
class Pair:
    """A figure now and under the draft; `after` is empty where nothing is proposed."""

    name: str
    before: str
    after: str


@dataclass(frozen=True, slots=True)
class CandidateRow:
    """A kind of map that was tried, or why it was not, in figures."""

    name: str
    fit: str
    saved: str
    simpler: str
    saved_over_simpler: str
    outcome: str
    is_chosen: bool


@dataclass(frozen=True, slots=True)
class Findings:
    """What the page of a run shows."""

    tables: Sequence[Table]
    pairs: Sequence[Pair]
    candidates: Sequence[CandidateRow]
    changes: Sequence[str]
    findings: Sequence[str]
    notes: Sequence[str]


def read_findings(run: CalibrationRun, labels: Mapping[str, str]) -> Findings:
    """The report of `run`; `labels` are the stream's category labels by key."""
    report = _mapping(run.report)
    return Findings(
        tables=_list_tables(_mapping(report.get("table")), labels),
        pairs=[
            *_pair_scores(run, _mapping(report.get("scores"))),
            *_pair_cut_offs(_mapping(report.get("cut_offs"))),
            *_pair_queues(_mapping(report.get("queues")), has_draft=run.draft_id is not None),
            *_pair_hours(_mapping(report.get("review")), has_draft=run.draft_id is not None),
        ],
        candidates=[_read_candidate(each) for each in _mappings(report.get("candidates"))],
        changes=_texts(report.get("changes")),
        findings=_texts(report.get("findings")),
        notes=_texts(report.get("notes")),
    )


def read_cells(run: CalibrationRun) -> list[BandRow]:
    """The aggregate table that a run found for the policy in force, lowest band first."""
    table = _mapping(_mapping(_mapping(run.report).get("table")).get("before"))
    return [_read_cell(cell, {}) for cell in _mappings(table.get("aggregate"))]


def _list_tables(table: Mapping[str, object], labels: Mapping[str, str]) -> list[Table]:
    titles = [
        ("before", "aggregate", _("All categories, policy in force")),
        ("after", "aggregate", _("All categories, as proposed")),
        ("before", "categories", _("By category, policy in force")),
        ("after", "categories", _("By category, as proposed")),
    ]
    tables = []
    for when, what, caption in titles:
        cells = _mappings(_mapping(table.get(when)).get(what))
        rows = [_read_cell(cell, labels) for cell in cells if cell.get("frame") or cell.get("n")]
        if rows:
            tables.append(Table(caption, rows, by_category=what == "categories"))
    return tables


def _read_cell(cell: Mapping[str, object], labels: Mapping[str, str]) -> BandRow:
    confidence, accuracy = _number(cell.get("confidence")), _number(cell.get("accuracy"))
    low, high = _number(cell.get("low")), _number(cell.get("high"))
    gap = NOTHING
    if confidence is not None and accuracy is not None:
        gap = f"{100.0 * (accuracy - confidence):+.1f}"
    key = str(cell.get("category") or "")
    words = str(cell.get("verdict") or "")
    verdict, tone = VERDICTS.get(words, (words, "few"))
    lower, upper = _number(cell.get("lower")) or 0.0, _number(cell.get("upper")) or 0.0
    items = _number(cell.get("frame"))
    return BandRow(
        category=labels.get(key, key),
        band=f"{show_number(lower)} – {show_number(upper)}",
        labels=int(_number(cell.get("n")) or 0),
        items=NOTHING if items is None else f"{items:,.0f}",
        promised=_percent(confidence),
        right=_percent(accuracy),
        interval=NOTHING if low is None or high is None else f"{_percent(low)} – {_percent(high)}",
        gap=gap,
        verdict=str(verdict),
        tone=tone,
    )


def _read_candidate(trial: Mapping[str, object]) -> CandidateRow:
    outcome = str(trial.get("outcome") or "")
    return CandidateRow(
        name=str(trial.get("name") or ""),
        fit=str(trial.get("fit") or ""),
        saved=_saving(trial.get("saving")),
        simpler=str(trial.get("simpler") or ""),
        saved_over_simpler=_saving(trial.get("over_simpler")),
        outcome=outcome,
        is_chosen=outcome == "chosen",
    )


def _saving(value: object) -> str:
    gain, error = (_number(each) for each in value) if _is_pair(value) else (None, None)
    return NOTHING if gain is None or error is None else f"{gain:+.4f} ± {error:.4f}"


def _pair_scores(run: CalibrationRun, scores: Mapping[str, object]) -> list[Pair]:
    before, after = _mapping(scores.get("before")), _mapping(scores.get("after"))
    names = [
        ("ece", _("Expected calibration error")),
        ("noise_floor", _("… of a perfect stream with as many labels")),
        ("adaptive_ece", _("Adaptive calibration error")),
        ("adaptive_noise_floor", _("… of a perfect stream with as many labels")),
        ("smooth_ece", _("Smooth calibration error")),
        ("smooth_noise_floor", _("… of a perfect stream with as many labels")),
        ("brier", _("Brier score")),
        ("log_loss", _("Log loss")),
    ]
    fallback = {"ece": (run.ece_before, run.ece_after)}
    pairs = []
    for key, name in names:
        old, new = _number(before.get(key)), _number(after.get(key))
        if old is None and new is None:
            old, new = fallback.get(key, (None, None))
        if old is not None or new is not None:
            pairs.append(Pair(name, _figure(old), _figure(new) if new is not None else ""))
    return pairs


def _pair_cut_offs(cut_offs: Mapping[str, object]) -> list[Pair]:
    pairs = []
    for band in QUEUES:
        found = _mapping(cut_offs.get(band))
        if found:
            before, after = (
                _cut_off(*(found.get(f"{what}_{when}") for what in ("calibrated", "raw", "own")))
                for when in ("now", "draft")
            )
            pairs.append(Pair(_("%(band)s from") % {"band": band}, before, after))
    return pairs


def _cut_off(calibrated: object, raw: object, own: object) -> str:
    value, below = _number(calibrated), _number(raw)
    if value is None:
        return NOTHING
    words = {"value": show_number(value), "raw": "" if below is None else show_number(below)}
    low, high = (_number(each) for each in own) if _is_pair(own) else (None, None)
    if low is not None:
        words |= {"low": _round(low), "high": _("never") if high is None else _round(high)}
        return _("%(value)s (raw %(low)s to %(high)s by category)") % words
    if below is None:
        return _("%(value)s (no raw confidence reaches it)") % words
    return _("%(value)s (raw %(raw)s)") % words


def _is_pair(value: object) -> TypeGuard[list[object]]:
    return isinstance(value, list) and len(value) == 2


def _round(value: float) -> str:
    return show_number(round(value, 4))


def _pair_queues(queues: Mapping[str, object], *, has_draft: bool) -> list[Pair]:
    now, draft = _mapping(queues.get("now")), _mapping(queues.get("draft"))
    return [
        Pair(
            _("Share of %(queue)s") % {"queue": queue},
            _percent(_number(now.get(queue))),
            _percent(_number(draft.get(queue))) if has_draft else "",
        )
        for queue in QUEUES
        if queue in now or queue in draft
    ]


def _pair_hours(review: Mapping[str, object], *, has_draft: bool) -> list[Pair]:
    now, draft = _number(review.get("hours_now")), _number(review.get("hours_draft"))
    if now is None and draft is None:
        return []
    name = _("Reviewer hours for the window's items")
    return [Pair(name, _hours(now), _hours(draft) if has_draft else "")]


def _hours(value: float | None) -> str:
    return NOTHING if value is None else f"{value:,.1f} h"


def _figure(value: float | None) -> str:
    return NOTHING if value is None else f"{value:.4f}"


def _percent(value: float | None) -> str:
    return NOTHING if value is None else f"{100.0 * value:.1f}%"


def _number(value: object) -> float | None:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return float(value) if is_number else None  # type: ignore[arg-type]


def _mapping(value: object) -> Mapping[str, object]:
    return value if isinstance(value, dict) else {}


def _mappings(value: object) -> list[Mapping[str, object]]:
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []


def _texts(value: object) -> list[str]:
    return [str(each) for each in value] if isinstance(value, list) else []
