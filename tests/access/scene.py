"""Two sides with the same things in them: the streams that people have their roles on, and others.

On each side stand a stream with a row of every kind and one of drafted sentences. Two of its items
nobody has judged yet and somebody will, blind: one waits in the audit queue, one is drawn and its
seat not open. Both were predicted as `TELLTALE`, a category that is retired since, so that no list
of choices names it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Final
from uuid import uuid4

from django.contrib.auth.models import Group, User
from django.db.models import Model
from django.test import Client
from django.utils import timezone
from django_celery_beat.models import (
    ClockedSchedule,
    CrontabSchedule,
    IntervalSchedule,
    PeriodicTask,
    SolarSchedule,
)

from calibration.frames import fold_deltas
from calibration.models import (
    AuditDraw,
    CalibrationRun,
    DriftAlarm,
    DriftWatch,
    FrameCount,
    GroundTruth,
    JobRun,
    RunRequest,
)
from reviewqueue.access import issue_api_key
from reviewqueue.claims import claim_next
from reviewqueue.insight_models import InsightSheet
from reviewqueue.intake import Taken, take_in
from reviewqueue.known_answers import mark_known
from reviewqueue.models import ApiKey, Membership, RemoteAsk, ReviewTask, Verdict
from reviewqueue.verdicts import Answer, record_verdict
from reviewqueue.webhook_models import Delivery, Webhook
from routing.items import Post
from routing.models import (
    Announcement,
    Category,
    Decision,
    Event,
    Item,
    RemoteModel,
    Stream,
)
from routing.policies import copy_policy
from tests import grounded_scenes, scenes
from tests.access.rules import ANONYMOUS, REVIEWER, ROLES, SITE_ADMIN

TELLTALE: Final = "zebra_crossing"
TELLTALE_LABEL: Final = "Zebra crossing"
BLIND: Final = {TELLTALE: 0.8642, "vpn_issue": 0.1, "account_unlock": 0.0358}
DRAWN: Final = {TELLTALE: 0.9753, "vpn_issue": 0.0142, "account_unlock": 0.0105}
# Parts of the figures of these two that no page rounds away, and that stand nowhere by chance.
FIGURES: Final = ("0.8642", "0.864", "86.4", "0.9753", "0.975", "97.5")
TORN: Final = {"vpn_issue": 0.3, "account_unlock": 0.25, "security_incident": 0.23, TELLTALE: 0.22}
VPN: Final = Answer("category", ("vpn_issue",))


@dataclass(frozen=True, slots=True)
class Side:
    """What stands in addresses, by name; `hidden` are the ids of what is to be judged blind."""

    values: Mapping[str, str]
    hidden: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Scene:
    """Both sides, and a browser for each role; `keys` are the API's, by whose they are."""

    own: Side
    foreign: Side
    browsers: Mapping[str, Client]
    keys: Mapping[str, str]

    def side(self, name: str) -> Side:
        return self.own if name == "own" else self.foreign


def make_scene() -> Scene:
    """All rows, made the way the product makes them as far as it has a way."""
    people = {role: _make_person(role) for role in ROLES if role != ANONYMOUS}
    own = _make_side("own", people)
    foreign = _make_side("foreign", {})
    site = _make_site(people[REVIEWER])
    browsers = {ANONYMOUS: Client(raise_request_exception=False)}
    for role, person in people.items():
        browsers[role] = Client(raise_request_exception=False)
        browsers[role].force_login(person)
    return Scene(
        own=Side({**site, **own.values}, own.hidden),
        foreign=Side({**site, **foreign.values}, foreign.hidden),
        browsers=browsers,
        keys={"own": own.values["api_key"], "revoked": _revoke_key(own)},
    )


def _revoke_key(side: Side) -> str:
    """The text of a key that worked once."""
    key, text = issue_api_key(
        name="revoked", streams=Stream.objects.filter(key=side.values["stream_key"])
    )
    ApiKey.objects.filter(id=key.id).update(revoked_at=timezone.now())
    return text


def _make_person(role: str) -> User:
    """Nobody but the site's admin is staff or given a right: all else comes with the role."""
    site_admin = role == SITE_ADMIN
    return scenes.make_person(role, is_superuser=site_admin, is_staff=site_admin)


def _make_side(key: str, people: Mapping[str, User]) -> Side:
    stream = scenes.make_stream(
        key, categories=(*scenes.HELPDESK, (TELLTALE, TELLTALE_LABEL, "")), undo_seconds=0
    )
    watched = {"security_incident": {"watch": 0.15}, "vpn_issue": {"watch": 0.01}}
    scenes.publish(stream, watched, min_margin=0.30, escalate_entropy=0.95)
    drafts = grounded_scenes.make_grounded_stream(f"{key}-drafts")
    for role, person in people.items():
        if role != SITE_ADMIN:
            scenes.join(person, stream, role)
            scenes.join(person, drafts, role)
    giver = scenes.make_person(f"{key}-giver", stream, "reviewer", "expert")
    items, hidden = _make_items(stream, giver, people)
    refused = grounded_scenes.post_sentence(
        drafts, f"{key}-refused", signals=grounded_scenes.REFUSED, draft="d1", position=1
    )
    rows = _make_rows(stream, giver)
    fold_deltas()
    values = {
        "stream_key": stream.key,
        "stream": stream.key,
        "drafts_key": drafts.key,
        "stream_id": str(stream.id),
        "refused_item": str(refused.item_id),
        "batch_id": str(uuid4()),
        "kind": "budget",
        "name": "drawing",
        "external_id": f"{key}-settled",
        **items,
        **rows,
        **_newest_rows(stream),
        "routing/decision": items["decision_id"],
        "routing/item": items["item_id"],
    }
    return Side(values, hidden)


def _make_items(
    stream: Stream, giver: User, people: Mapping[str, User]
) -> tuple[dict[str, str], tuple[str, ...]]:
    """An item in each state, and the ids of the two that are judged blind."""
    key = stream.key
    settled = _judge(stream, f"{key}-settled", giver)
    own = _judge(stream, f"{key}-own", people.get(REVIEWER, giver))
    Stream.objects.filter(id=stream.id).update(undo_seconds=3600)
    stream.refresh_from_db()
    fresh = _judge(stream, f"{key}-fresh", people.get("expert", giver))
    held = scenes.post(stream, f"{key}-held")
    passed_on = scenes.post(stream, f"{key}-passed-on")
    ReviewTask.objects.filter(id=passed_on.id).update(queue=ReviewTask.Queue.ESCALATED)
    escalated = scenes.post(stream, f"{key}-escalated", scores=TORN)
    for number in range(2):
        scenes.post(stream, f"{key}-flagged-{number}", scores=scenes.LIKELY)
    blind = scenes.post_blind(stream, f"{key}-blind", scores=BLIND)
    drawn = _draw(stream, f"{key}-drawn")
    Category.objects.filter(stream=stream, key=TELLTALE).update(retired_at=timezone.now())
    values = {
        "item_id": str(settled.item_id),
        "decision_id": str(settled.task.decision_id),
        "verdict_id": str(settled.id),
        "own": str(own.id),
        "fresh": str(fresh.id),
        "held_task": str(held.id),
        "escalated_task": str(escalated.id),
        "passed_on_task": str(passed_on.id),
        "blind_task": str(blind.id),
        "blind_item": str(blind.item_id),
        "blind_decision": str(blind.decision_id),
        "drawn_item": str(drawn.item_id),
        "drawn_decision": str(drawn.id),
    }
    ids = (blind.id, blind.item_id, blind.decision_id, drawn.item_id, drawn.id)
    return values, (f"{key}-blind", f"{key}-drawn", *map(str, ids))


def _judge(stream: Stream, external_id: str, person: User) -> Verdict:
    scenes.post(stream, external_id)
    task = claim_next(user=person, stream=stream, queue="hold")
    assert task is not None
    assert task.lease_token is not None
    return record_verdict(
        task_id=task.id, lease_token=task.lease_token, reviewer=person, answer=VPN
    )


def _draw(stream: Stream, external_id: str) -> Decision:
    """An item that was acted on and drawn for an audit whose seat is not open yet."""
    [taken] = take_in(stream=stream, posts=[Post(external_id, dict(scenes.TICKET), DRAWN)])
    assert isinstance(taken, Taken), taken
    decision = Decision.objects.get(stream=stream, item__external_id=external_id)
    AuditDraw.objects.create(stream=stream, item=decision.item, decision=decision, pi=0.05)
    return decision


def _make_rows(stream: Stream, giver: User) -> dict[str, str]:
    """A row of every kind that nothing above has made; those that addresses name, by name."""
    policy = stream.policies.get(version=2)
    now = timezone.now()
    mark_known(stream=stream, external_id=f"{stream.key}-own", answer=VPN)
    model = RemoteModel.objects.create(stream=stream, name="second", url="https://m.example.org/")
    decision = Decision.objects.filter(stream=stream).order_by("id")[0]
    RemoteAsk.objects.create(
        stream=stream, item=decision.item, decision=decision, model=model, due_at=now
    )
    webhook = Webhook.objects.create(stream=stream, url="https://hooks.example.org/")
    Webhook.objects.create(stream=stream, url="https://unused.example.org/")
    told = Announcement.objects.filter(stream=stream, item__isnull=False)[0]
    Delivery.objects.create(stream=stream, announcement=told, webhook=webhook)
    span = {"window_start": now - timedelta(days=30), "window_end": now}
    CalibrationRun.objects.create(
        stream=stream, kind="table", reason="monthly", policy=policy, labels=2, **span
    )
    asked = RunRequest.objects.create(stream=stream, reason="a rollout", requested_by=giver)
    watch = DriftWatch.objects.create(stream=stream, policy=policy)
    DriftAlarm.objects.create(
        **{"stream": stream, "watch": watch, "side": "more", "audits": 9, "errors": 5},
        **{"promised_errors": 1.0, "evidence": 40.0, "threshold": 20.0},
    )
    JobRun.objects.create(stream=stream, job="audits", period="2026-W01")
    # Of a page that this kind of stream does not have: nothing but the drawing is ever asked for.
    InsightSheet.objects.create(stream=stream, kind="budget", pictures={"drawing": "<svg/>"})
    draft = copy_policy(policy=policy, created_by_id=giver.pk)
    _, text = issue_api_key(name=stream.key, streams=[stream])
    return {
        "api_key": text,
        "policy_id": str(draft.id),
        "model_id": str(model.id),
        "webhook_id": str(webhook.id),
        "request_id": str(asked.id),
        "routing/policy": str(draft.id),
        "routing/stream": str(stream.id),
        "reviewqueue/apikey": str(stream.api_keys.get().id),
    }


def _newest_rows(stream: Stream) -> dict[str, str]:
    """One row of each of the other models of a stream, by the model's place in the admin."""
    models: tuple[type[Model], ...] = (
        *(AuditDraw, CalibrationRun, DriftAlarm, FrameCount, GroundTruth, JobRun, RunRequest),
        *(Delivery, Membership, RemoteAsk, RemoteModel, ReviewTask, Verdict, Webhook),
        *(Announcement, Decision, Event, Item),
        *(type(stream.known_answers.get()),),
    )
    return {
        f"{each._meta.app_label}/{each._meta.model_name}": str(
            each._default_manager.filter(stream=stream).order_by("-pk")[0].pk
        )
        for each in models
    }


def _make_site(person: User) -> dict[str, str]:
    """Rows that are of no stream."""
    interval = IntervalSchedule.objects.create(every=1, period="days")
    made: Mapping[str, Model] = {
        "auth/group": Group.objects.create(name="helpers"),
        "auth/user": person,
        "django_celery_beat/intervalschedule": interval,
        "django_celery_beat/crontabschedule": CrontabSchedule.objects.create(),
        "django_celery_beat/clockedschedule": ClockedSchedule.objects.create(
            clocked_time=timezone.now()
        ),
        "django_celery_beat/solarschedule": SolarSchedule.objects.create(
            event="sunrise", latitude=1, longitude=1
        ),
        "django_celery_beat/periodictask": PeriodicTask.objects.create(
            name="one", task="none", interval=interval
        ),
    }
    return {place: str(row.pk) for place, row in made.items()}
