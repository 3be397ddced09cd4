"""Stretches of unchanged maps, their drift watches, and the alarms that nobody has answered.

Apart from `monitoring`, which does the statistics, so that pages can read without loading scipy.
"""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db.models import Count, Exists, Max, Min, OuterRef, Q, QuerySet

from calibration.models import CalibrationRun, DriftAlarm, DriftWatch
from routing.models import Policy, Stream


@dataclass(frozen=True, slots=True)
class Stretch:
    """Versions of a policy in a row that map a model version's scores alike, oldest first."""

    policy_ids: tuple[UUID, ...]
    first_version: int
    model_version: str
    since: datetime


def find_stretch(*, stream: Stream, model_version: str | None) -> Stretch | None:
    """The stretch that lasts to the policy in force; None where no policy is published.

    Without a model version the maps count, whatever models they were fitted on.
    """
    found: list[Policy] = []
    versions = Policy.objects.published().filter(stream=stream).order_by("-version")
    for policy in versions.only("version", "maps", "model_versions", "published_at").iterator(20):
        if found and _applied_maps(policy, model_version) != _applied_maps(
            found[-1], model_version
        ):
            break
        found.append(policy)
    if not found:
        return None
    first = found[-1]
    return Stretch(
        policy_ids=tuple(policy.id for policy in reversed(found)),
        first_version=first.version or 0,
        model_version=model_version or "",
        since=first.published_at or first.created_at,
    )


def find_watch(*, stream: Stream) -> tuple[DriftWatch | None, Stretch | None]:
    """The watch of the stretch that lasts to now, with the stretch; None before it has begun.

    Of several model versions it is the one whose watch moved last.
    """
    watch = DriftWatch.objects.filter(stream=stream).order_by("-updated_at", "-id").first()
    version = watch.model_version if watch else None
    stretch = find_stretch(stream=stream, model_version=version)
    if watch is None or stretch is None or watch.policy_id != stretch.policy_ids[0]:
        return None, stretch
    return watch, stretch


def open_watch(*, stream: Stream, stretch: Stretch, at: datetime) -> DriftWatch:
    """The watch of a stretch, locked; made where there is none. Belongs into a transaction."""
    key = {
        "stream": stream,
        "policy_id": stretch.policy_ids[0],
        "model_version": stretch.model_version,
    }
    DriftWatch.objects.get_or_create(**key, defaults={"started_at": at, "updated_at": at})
    return DriftWatch.objects.select_for_update().get(**key)


def unanswered_alarms(*, stream: Stream) -> list[DriftAlarm]:
    """Alarms of the watch of now after which nothing was recalibrated yet, oldest first."""
    watch, _stretch = find_watch(stream=stream)
    if watch is None:
        return []
    refits = CalibrationRun.objects.filter(stream=stream, kind=CalibrationRun.Kind.REFIT)
    last = refits.order_by("-created_at").values_list("created_at", flat=True).first()
    alarms = watch.alarms.order_by("id")
    return list(alarms if last is None else alarms.filter(raised_at__gt=last))


@dataclass(frozen=True, slots=True)
class BrokenPromise:
    """The drift alarms of a stream since its policy was published.

    `whole`: one is about all categories together; `categories` have one of their own.
    """

    stream_key: str
    stream_name: str
    since: datetime
    whole: bool
    categories: int


def read_broken_promises(streams: QuerySet[Stream]) -> list[BrokenPromise]:
    """Those of the streams with drift alarms that no publication has followed, in one query.

    The newest alarm's first. Alarms are few: each is raised once for a stretch of maps.
    """
    later = Policy.objects.published().filter(
        stream=OuterRef("stream"), published_at__gt=OuterRef("raised_at")
    )
    rows = (
        DriftAlarm.objects.filter(~Exists(later), stream__in=streams)
        .order_by()
        .values_list("stream__key", "stream__name")
        .annotate(
            since=Min("raised_at"),
            whole=Count("id", filter=Q(category="")),
            own=Count("category", filter=~Q(category=""), distinct=True),
            newest=Max("raised_at"),
        )
        .order_by("-newest", "stream__key")
    )
    return [
        BrokenPromise(key, name, since, bool(whole), own)
        for key, name, since, whole, own, _ in rows
    ]


def _applied_maps(policy: Policy, model_version: str | None) -> object:
    known = model_version is None or model_version in policy.model_versions
    return policy.maps if known else {}
