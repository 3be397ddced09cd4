"""The what-if sheet: a sample of the past to try cut-offs on, and what automation costs."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

import numpy as np
from django.db.models import Q

from calibration.audits import read_rates
from calibration.core.whatif import Curve, Outcome, whatif_curve
from calibration.labels import Cohort, count_routed, find_cohort
from calibration.models import CalibrationRun
from calibration.outlooks import ACT, look_ahead
from calibration.proposals import maps_in_force
from calibration.runs import FITTED_DAYS
from calibration.samples import Readings, Sample, read_sample
from reviewqueue.insight.charts import automation_curve
from reviewqueue.insight.drawing import draw
from reviewqueue.insight.figures import Promise, Step, WhatIfFigures
from reviewqueue.insight.sheets import Made
from reviewqueue.pace import seconds_per_review
from routing.core.maps import FloatArray
from routing.core.policy import Policy
from routing.core.rules import apply_maps
from routing.models import Stream
from routing.policies import current_spec

CURVE_POINTS: Final = 120
# Errors of a handful of labels say nothing and would stretch the axis to 100%.
FEWEST_LABELS: Final = 20
WEEK: Final = 7


def make_trials(stream: Stream, at: datetime) -> Made:
    """Read the sample of 90 days, count the volume and draw the curve.

    Raises NoPolicyError where the stream has no published policy.
    """
    policy_id, spec = current_spec(stream.id)
    cohort = find_cohort(stream=stream, at=at, days=FITTED_DAYS)
    sample = read_sample(cohort=cohort, policy=spec)
    first, items = count_routed(cohort)
    days = (cohort.last_day - first).days + 1 if first else WEEK
    curve = _find_curve(sample, spec, cohort)
    outlook = look_ahead(
        sample=sample,
        policy=spec,
        rates=read_rates(stream),
        model_version=cohort.model_version,
    )
    acted = outlook.errors[ACT]
    steps = [] if curve is None else _list_steps(curve)
    today = None if curve is None else _as_step(curve.at(spec.cut_offs.auto))
    pace = seconds_per_review(stream=stream, start=at - timedelta(days=FITTED_DAYS), end=at)
    figures: WhatIfFigures = {
        "policy": str(policy_id),
        "version": spec.version,
        "model": cohort.model_version,
        "first": (first or cohort.first_day).isoformat(),
        "last": cohort.last_day.isoformat(),
        "sampled": len(sample.items),
        "labels": len(sample.labelled),
        "items": items,
        "items_a_week": items * WEEK / days,
        "seconds": pace,
        "promise": find_promise(stream, policy_id),
        "measured": {
            "labels": acted.labels,
            "error": acted.error,
            "low": acted.low,
            "high": acted.high,
        },
        "curve": steps,
        "today": today,
    }
    pictures = draw({"curve": automation_curve(steps, today)}) if steps else {}
    return Made(dict(figures), pictures, sample.to_bytes())


def find_promise(stream: Stream, policy_id: UUID) -> Promise | None:
    """What the newest certificate under this policy's maps promises, if it does."""
    told = CalibrationRun.objects.filter(stream=stream, report__has_key="certificate")
    runs = told.exclude(report__certificate=None)  # a measurement that leaves it to refits
    under = runs.filter(Q(policy_id=policy_id) | Q(draft_id=policy_id)).order_by("-created_at")
    report = under.values_list("report", flat=True).first()
    found: Mapping[str, object] | None = (report or {}).get("certificate")
    if not found or found.get("cut_off") is None:
        return None
    return {
        "cut_off": float(str(found["cut_off"])),
        "alpha": float(str(found["alpha"])),
        "delta": float(str(found["delta"])),
        "audits": int(str(found["audits"])),
    }


def _find_curve(sample: Sample, spec: Policy, cohort: Cohort) -> Curve | None:
    if not len(sample.labelled) or not len(sample.items):
        return None
    routed = _calibrate(sample.items, spec, cohort)
    return whatif_curve(
        confidence=_calibrate(sample.labelled, spec, cohort),
        correct=sample.correct,
        weights=sample.weights,
        frame_confidence=routed,
        frame_count=np.ones(len(routed)),
    )


def _calibrate(readings: Readings, spec: Policy, cohort: Cohort) -> FloatArray:
    return apply_maps(
        maps_in_force(spec, cohort.model_version),
        raw=readings.raw_confidence,
        predicted=readings.predicted,
        categories=spec.categories,
    )


def _list_steps(curve: Curve) -> list[Step]:
    steps = [_as_step(each) for each in curve.thin(CURVE_POINTS) if each.labels >= FEWEST_LABELS]
    return [step for step in steps if step is not None]


def _as_step(outcome: Outcome) -> Step | None:
    if outcome.error is None or outcome.low is None or outcome.high is None:
        return None
    return {
        "cut_off": outcome.cut_off,
        "share": outcome.share,
        "error": outcome.error,
        "low": outcome.low,
        "high": outcome.high,
    }
