"""The reliability sheet: the promise before and after calibration, in all and by category."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from calibration.core.reliability import Cell
from calibration.judgements import Judgement, Maps, judge_maps
from calibration.labels import Evidence, find_cohort, read_evidence
from calibration.models import CalibrationRun
from calibration.proposals import maps_in_force
from calibration.runs import FITTED_DAYS, MEASURED_DAYS
from reviewqueue.insight.charts import axis_floor, reliability_diagram, small_diagram
from reviewqueue.insight.drawing import draw
from reviewqueue.insight.figures import Band, ReliabilityFigures, Series, rank_categories
from reviewqueue.insight.sheets import Made
from routing.core.policy import Policy as PolicySpec
from routing.models import Policy, Stream
from routing.policies import current_spec, load_spec

RAW: Final = "raw"
IN_FORCE: Final = "in_force"
DRAFT: Final = "draft"
DRAWN_CATEGORIES: Final = 12


def make_month(stream: Stream, at: datetime) -> Made:
    """`make_reliability` of the days that a monthly table is of."""
    return make_reliability(stream, at, days=MEASURED_DAYS)


def make_quarter(stream: Stream, at: datetime) -> Made:
    """`make_reliability` of the days that a refit is of."""
    return make_reliability(stream, at, days=FITTED_DAYS)


def make_reliability(stream: Stream, at: datetime, *, days: int) -> Made:
    """Judge the raw confidence and what the policy makes of it by the labels of some days.

    Raises NoPolicyError where the stream has no published policy.
    """
    policy_id, spec = current_spec(stream.id)
    evidence = read_evidence(find_cohort(stream=stream, at=at, days=days))
    version = evidence.cohort.model_version
    edges = stream.reporting_edges
    series = [_tell(RAW, judge_maps(evidence, {}, edges=edges))]
    name, maps, draft = _find_after(stream, spec, version)
    if maps:
        series.append(_tell(name, judge_maps(evidence, maps, edges=edges)))
    worst = rank_categories(series[-1]["categories"])
    figures: ReliabilityFigures = {
        "policy": str(policy_id),
        "version": spec.version,
        "model": version,
        "first": evidence.cohort.first_day.isoformat(),
        "last": evidence.cohort.last_day.isoformat(),
        "labels": len(evidence.labels),
        "items": evidence.frame.items,
        "open": evidence.open.count,
        "series": series,
        "worst": worst,
        "draft": draft,
    }
    return Made(dict(figures), draw(_documents(evidence, series, worst)))


def _find_after(stream: Stream, spec: PolicySpec, version: str) -> tuple[str, Maps, str]:
    """The maps in force, else those of the newest draft that a run proposes and nobody published.

    With them the series' name and the draft's id.
    """
    maps = maps_in_force(spec, version)
    if maps:
        return IN_FORCE, maps, ""
    run = CalibrationRun.objects.filter(stream=stream, draft_id__isnull=False)
    newest = run.order_by("-created_at").values_list("draft_id", flat=True).first()
    draft = Policy.objects.filter(id=newest, version__isnull=True).first() if newest else None
    if draft is None:
        return "", {}, ""
    return DRAFT, maps_in_force(load_spec(draft), version), str(draft.id)


def _tell(name: str, judgement: Judgement) -> Series:
    categories: dict[str, list[Band]] = {}
    for cell in judgement.by_category:
        categories.setdefault(cell.category or "", []).append(_as_point(cell))
    scores = judgement.scores
    return {
        "name": name,
        "bands": [_as_point(cell) for cell in judgement.aggregate],
        "categories": {
            key: cells for key, cells in categories.items() if any(cell["items"] for cell in cells)
        },
        "ece": None if scores is None else scores.ece,
        "floor": None if scores is None else scores.noise_floor,
    }


def _as_point(cell: Cell) -> Band:
    verdict = cell.verdict
    tone = {"not_enough_labels": "few"}.get(verdict, verdict.partition("confident")[0] or verdict)
    return {
        "lower": cell.lower,
        "upper": cell.upper,
        "items": cell.frame,
        "labels": cell.n,
        "confidence": cell.confidence,
        "accuracy": cell.accuracy,
        "low": cell.low,
        "high": cell.high,
        "tone": tone,
        "verdict": verdict,
    }


def _documents(
    evidence: Evidence, series: Sequence[Series], worst: Sequence[str]
) -> dict[str, object]:
    if not len(evidence.labels):
        return {}
    floor = min(axis_floor(each["bands"]) for each in series)
    documents: dict[str, object] = {
        each["name"]: reliability_diagram(each["bands"], floor=floor) for each in series
    }
    shown = [
        key
        for key in worst[:DRAWN_CATEGORIES]
        if any(cell["labels"] for cell in series[-1]["categories"][key])
    ]
    for number, key in enumerate(shown):
        documents[f"category-{number}"] = small_diagram(series[-1]["categories"][key])
    return documents
