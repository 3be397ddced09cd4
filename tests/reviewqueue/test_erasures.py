"""Erasures: what an item held is in no table, key or log; what was decided and counted stays."""

import base64
import itertools
import json
import re
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from uuid import UUID

import pytest
import redis
from django.conf import settings
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.db import Error, connection, transaction
from django.test import Client

from calibration.frames import fold_deltas
from calibration.models import FrameCount, GroundTruth
from reviewqueue import erasures
from reviewqueue.access import issue_api_key
from reviewqueue.claims import claim_next, escalate_task
from reviewqueue.deliveries import send_due
from reviewqueue.erasures import Erased, ErasureError, erase_items
from reviewqueue.event_log import FORMATS as LOG_FORMATS
from reviewqueue.event_log import LogQuery, write_log
from reviewqueue.exports import Selection, export_items
from reviewqueue.files.opening import FORMATS as ITEM_FORMATS
from reviewqueue.insight.making import make_next
from reviewqueue.insight.sheets import read_sheet
from reviewqueue.insight_models import InsightSheet
from reviewqueue.intake import ConflictError, Taken, take_in
from reviewqueue.known_answers import mark_known
from reviewqueue.models import ReviewTask, Verdict
from reviewqueue.overturns import overturn_verdict
from reviewqueue.retries import request_retry
from reviewqueue.sequencer import sequence_all
from reviewqueue.urls_review import urlpatterns
from reviewqueue.verdicts import Answer
from reviewqueue.webhook_models import Webhook
from routing.items import Post
from routing.models import Decision, Event, Item, Stream
from routing.replays import replay_decisions
from tests.conftest import Upstream
from tests.grounded_scenes import BLOCKS, REFUSED, make_grounded_stream, post_sentence
from tests.reviewqueue.canary import CANARY, SAID, answer
from tests.routing.admin.conftest import log_in
from tests.scenes import (
    HELD,
    SURE,
    make_person,
    make_stream,
    post,
)


@pytest.fixture
def stream(db: None) -> Stream:
    return make_stream(undo_seconds=0)


@pytest.fixture
def rita(stream: Stream) -> User:
    return make_person("rita", stream, "reviewer", "expert", "stream_admin")


@pytest.fixture
def upstream(stream: Stream) -> Upstream:
    _, key = issue_api_key(name="tickets", streams=[stream])
    return Upstream(Client(), key, stream.key)


def tables_holding(text: str) -> set[str]:
    """Every table of which a row has the text in whatever column, bytes included."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
        tables = [name for (name,) in cursor.fetchall()]
        found = set()
        for table in tables:
            cursor.execute(
                f'SELECT 1 FROM "{table}" AS row '
                "WHERE strpos(row::text, %s) > 0 OR strpos(row::text, %s) > 0 LIMIT 1",
                [text, text.encode().hex()],
            )
            if cursor.fetchone():
                found.add(table)
    assert len(tables) > 40
    return found


def keys_holding(text: str) -> list[str]:
    """Every key of the broker whose name or value has the text; there have to be some."""
    server = redis.Redis.from_url(settings.REDIS_URL, decode_responses=True)
    read: dict[str, Callable[[str], object]] = {
        "string": server.get,
        "list": lambda key: server.lrange(key, 0, -1),
        "set": server.smembers,
        "zset": lambda key: server.zrange(key, 0, -1),
        "hash": server.hgetall,
        "stream": server.xrange,
    }
    keys = list(server.scan_iter())
    assert keys
    messages = [f"{key} {read[str(server.type(key))](key)!r}" for key in keys]
    # A message's arguments are written in base64.
    bodies = [
        base64.b64decode(body).decode(errors="replace")
        for body in re.findall(r'"body": "([A-Za-z0-9+/=]+)"', " ".join(messages))
    ]
    assert bodies
    return [said for said in (*messages, *bodies) if text in said]


def files_of(*streams: Stream) -> dict[str, str]:
    """Every file that can be taken away of the streams, by name: items, logs, insight tables."""
    written: dict[str, Iterable[bytes]] = {}
    for name in ITEM_FORMATS:
        parts = [export_items(Selection(one), format_name=name) for one in streams]
        written[f"items.{name}"] = itertools.chain(*parts)
    for name in LOG_FORMATS:
        parts = [write_log(LogQuery(one), format_name=name) for one in streams]
        written[f"log.{name}"] = itertools.chain(*parts)
    files = {name: b"".join(blocks).decode() for name, blocks in written.items()}
    root = User.objects.filter(is_superuser=True).first()
    client = log_in(root or make_person("root", is_superuser=True))
    tables = [str(each.pattern) for each in urlpatterns if str(each.pattern).endswith(".csv")]
    assert len(tables) == 8
    for path in tables:
        for one in streams:
            address = "/" + path.replace("<slug:stream_key>", one.key)
            client.get(address)
            while make_next():
                pass
            files[address] = client.get(address).content.decode()
    return files


def refused(sql: str, *values: UUID) -> bool:
    """Whether the database refuses the statement, by a trigger of ours."""
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(sql, values)
    except Error as error:
        return "pgtrigger" in str(error)
    return False


def retry_sentence(drafts: Stream, person: User) -> None:
    """A refused sentence, s1, that is asked for again."""
    taken = post_sentence(
        drafts,
        "s1",
        sentence=f"{CANARY} may post 99 MB.",
        signals=REFUSED | {"author": CANARY},
        blocks=[{**BLOCKS[0], "title": CANARY, "text": f"{CANARY} may post 10 MB."}, BLOCKS[1]],
        claims=[{"text": f"{CANARY} may.", "entailment_probability": 0.1}],
    )
    assert taken.item_id is not None
    request_retry(item_id=taken.item_id, person=person, how="rewrite", note=f"Ask {CANARY}")


def test_canary_is_nowhere_afterwards(
    stream: Stream, rita: User, upstream: Upstream, caplog: pytest.LogCaptureFixture
) -> None:
    Webhook.objects.create(
        stream=stream, url="http://127.0.0.1:9/", events=["item.routed", "item.settled"]
    )
    body = {
        "external_id": "t1",
        "payload": SAID,
        "scores": HELD,
        "metadata": {"from": CANARY},
        "signals": {"caller": CANARY},
    }
    assert upstream.post("items", body).status_code == 201
    task = ReviewTask.objects.get()
    claimed = claim_next(user=rita, stream=stream, queue="hold")
    assert claimed is not None
    assert claimed.lease_token is not None
    assert escalate_task(
        task_id=task.id, user=rita, lease_token=claimed.lease_token, comment=f"{CANARY} shouts"
    )
    expert = make_person("erin", stream, "expert")
    said = Answer("no_category_fits", (), proposed_name=f"Calls of {CANARY}", comment=CANARY)
    first = answer(task, expert, said, queue="escalated")
    read_sheet(stream=stream, kind=InsightSheet.Kind.AMBIGUITY)
    make_next()
    overturn_verdict(
        verdict_id=first.id,
        by=rita,
        answer=Answer("category", ("vpn_issue",), comment=f"No, {CANARY} means the VPN"),
    )
    mark_known(
        stream=stream,
        external_id="t1",
        answer=Answer("category", ("vpn_issue",)),
        reason=f"{CANARY} said so",
    )
    drafts = make_grounded_stream()
    retry_sentence(drafts, rita)
    sequence_all()
    send_due()
    log_in(rita).get(f"/streams/helpdesk/items/{task.item_id}/")
    assert tables_holding(CANARY) == {
        "routing_item",
        "routing_event",
        "reviewqueue_verdict",
        "reviewqueue_knownanswer",
        "reviewqueue_retryrequest",
        "reviewqueue_insightsheet",
    }

    told = {name for name, content in files_of(stream, drafts).items() if CANARY in content}
    assert told == {f"items.{name}" for name in ITEM_FORMATS}

    assert erase_items(stream=stream, external_ids=["t1"], by=rita) == Erased(1, 0, ())
    assert erase_items(stream=drafts, external_ids=["s1"], by=rita) == Erased(1, 0, ())

    assert tables_holding(CANARY) == set()
    assert keys_holding(CANARY) == []
    assert CANARY not in caplog.text
    files = files_of(stream, drafts)
    assert [name for name, content in files.items() if CANARY in content] == []
    assert files["items.jsonl"].count('"erased_at":"') == 2
    again = upstream.post("items", body)
    assert (again.status_code, tables_holding(CANARY)) == (200, set())


def test_what_was_decided_and_counted_stays_and_replays(stream: Stream, rita: User) -> None:
    answer(post(stream, "t1"), rita)
    post(stream, "t2")
    take_in(stream=stream, posts=[Post("t3", SAID, SURE)])
    drafts = make_grounded_stream()
    post_sentence(drafts, "s1", sentence="It has 99 MB.")
    fold_deltas()

    def figures() -> list[object]:
        tables = (Decision, GroundTruth, FrameCount)
        return [list(table.objects.order_by("id").values()) for table in tables]

    before = figures()
    erase_items(stream=stream, external_ids=["t1", "t2", "t3"])
    erase_items(stream=drafts, external_ids=["s1"])
    fold_deltas()

    assert figures() == before
    replayed = [replay_decisions(stream=one) for one in (stream, drafts)]
    assert [(each.decisions, each.differing) for each in replayed] == [(3, 0), (1, 0)]
    [verdict] = Verdict.objects.all()
    assert (verdict.kind, verdict.categories, verdict.comment) == ("category", ["vpn_issue"], "")


def test_same_body_again_is_answered_and_not_stored(upstream: Upstream, stream: Stream) -> None:
    body = {"external_id": "t1", "payload": SAID, "scores": HELD}
    first = json.loads(upstream.post("items", body).content)
    erase_items(stream=stream, external_ids=["t1"])
    item = Item.objects.get()

    again = upstream.post("items", body)
    answered = json.loads(again.content)
    assert (again.status_code, answered["id"]) == (200, first["id"])
    assert item.erased_at is not None
    assert answered.pop("erased_at") == item.erased_at.isoformat()
    assert answered == first
    other = upstream.post("items", body | {"payload": {"body": "another"}})
    assert other.status_code == 422
    fetched = json.loads(upstream.get("items/t1").content)
    assert (fetched["state"], fetched["action"]) == ("routed", "wait")
    assert fetched["erased_at"] == item.erased_at.isoformat()
    assert Item.objects.get().payload == {}


def test_words_are_emptied_of_erased_items_alone_and_nothing_else_changes(
    stream: Stream, rita: User
) -> None:
    verdict = answer(post(stream, "t1"), rita)
    kept = answer(post(stream, "t2"), rita)
    event = Event.objects.filter(kind="verdict.recorded").order_by("id")[0]
    erase_items(stream=stream, external_ids=["t1"])

    change = "UPDATE reviewqueue_verdict SET {} WHERE id = %s"
    assert [
        refused(change.format(what), one.id)
        for what, one in (
            ("comment = ''", kept),
            ("comment = 'x'", verdict),
            ("categories = '{account_unlock}'", verdict),
            ("comment = '', active_ms = 1", verdict),
            ("comment = ''", verdict),
        )
    ] == [True, True, True, True, False]
    assert refused("DELETE FROM reviewqueue_verdict WHERE id = %s", verdict.id)
    assert refused("UPDATE routing_event SET data = '{}' WHERE id = %s", event.id)
    assert refused(
        """UPDATE routing_event SET data = data || '{"comment": ""}' WHERE id = %s""", event.id
    )


@pytest.mark.parametrize("kind", ["jsonl", "csv", "label-studio"])
def test_export_with_an_erased_item_can_be_imported(
    stream: Stream, tmp_path: Path, kind: str, capsys: pytest.CaptureFixture[str]
) -> None:
    other = make_stream("other")
    for name in ("t1", "t2"):
        post(stream, name, payload=SAID)
    erase_items(stream=stream, external_ids=["t1"])
    file = tmp_path / "items"
    call_command("export_items", "helpdesk", "--format", kind, "--output", str(file))
    call_command("import_items", "other", str(file), "--format", kind)
    stored = dict(Item.objects.filter(stream=other).values_list("external_id", "payload"))
    assert stored == {"t1": {}, "t2": SAID}


def test_erased_before_and_unknown_are_told_apart(stream: Stream) -> None:
    post(stream, "t1")
    post(stream, "t2")
    erase_items(stream=stream, external_ids=["t1"])
    at = Item.objects.get(external_id="t1").erased_at

    done = erase_items(stream=stream, external_ids=["t1", "t2", "t2", "t9", "\0"])
    assert done == Erased(1, 1, ("t9", "\0"))
    assert Item.objects.get(external_id="t1").erased_at == at
    assert Event.objects.filter(kind="item.erased").count() == 2


def test_other_stream_s_item_of_the_same_id_stays(stream: Stream) -> None:
    other = make_stream("other")
    post(stream, "t1", payload=SAID)
    post(other, "t1", payload=SAID)
    erase_items(stream=stream, external_ids=["t1"])

    assert Item.objects.get(stream=other).payload == SAID


def test_command_erases_and_names_what_is_unknown(
    stream: Stream, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("t1", "t2"):
        post(stream, name, payload=SAID)
    call_command("erase", "helpdesk", "t1")
    assert capsys.readouterr().out == "1 erased, 0 were erased before\n"

    listed = tmp_path / "ids"
    listed.write_text("t1\n\nt2\n")
    call_command("erase", "helpdesk", "--from", str(listed))
    assert capsys.readouterr().out == "1 erased, 1 were erased before\n"
    assert set(Item.objects.values_list("external_id", "state")) == {
        ("t1", "routed"),
        ("t2", "routed"),
    }
    with pytest.raises(CommandError, match=r"No item of helpdesk has these ids.*: t9\."):
        call_command("erase", "helpdesk", "t9")
    with pytest.raises(CommandError, match="There is no stream 'nobody'"):
        call_command("erase", "nobody", "t1")
    with pytest.raises(CommandError, match="Name the items"):
        call_command("erase", "helpdesk")
    with pytest.raises(CommandError, match="cannot be read"):
        call_command("erase", "helpdesk", "--from", str(tmp_path / "none"))


@pytest.fixture
def held_elsewhere(transactional_db: None) -> Iterator[Callable[[float], threading.Thread]]:
    """Locks the item's row in another connection for so many seconds."""
    threads: list[threading.Thread] = []

    def hold(seconds: float) -> threading.Thread:
        ready = threading.Event()

        def work() -> None:
            with transaction.atomic():
                Item.objects.select_for_update().get()
                ready.set()
                time.sleep(seconds)
            connection.close()

        thread = threading.Thread(target=work)
        threads.append(thread)
        thread.start()
        assert ready.wait(10)
        return thread

    yield hold
    for thread in threads:
        thread.join()


def test_who_erases_waits_for_people_at_work(
    held_elsewhere: Callable[[float], threading.Thread], monkeypatch: pytest.MonkeyPatch
) -> None:
    stream = make_stream()
    post(stream, "t1")
    thread = held_elsewhere(1.0)
    monkeypatch.setattr(erasures, "MOST_TRIES", 1)
    with pytest.raises(ErasureError, match="stayed in use"):
        erase_items(stream=stream, external_ids=["t1"])
    monkeypatch.setattr(erasures, "MOST_TRIES", 20)
    assert erase_items(stream=stream, external_ids=["t1"]).erased == 1
    thread.join()


def test_taken_again_tells_when_it_was_erased(stream: Stream) -> None:
    posted = Post("t1", SAID, SURE)
    take_in(stream=stream, posts=[posted])
    erase_items(stream=stream, external_ids=["t1"])
    again, other = take_in(stream=stream, posts=[posted, Post("t1", {}, SURE)])
    assert isinstance(again, Taken)
    assert again.erased_at == Item.objects.get().erased_at
    assert isinstance(other, ConflictError)
