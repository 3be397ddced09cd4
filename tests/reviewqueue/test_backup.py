"""Backup and restore as docs/backup.md tells it: dump, destroy, restore, and everything holds."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.db import Error, connection, transaction
from django.test import Client

from reviewqueue.access import issue_api_key
from reviewqueue.claims import claim_next
from reviewqueue.embedded.engines import find_postgres
from reviewqueue.erasures import erase_items
from reviewqueue.intake import take_in
from reviewqueue.models import ReviewTask, Verdict
from reviewqueue.verdicts import Answer, record_verdict
from routing.items import Post
from routing.models import Item, Stream
from routing.replays import replay_decisions
from tests.conftest import Upstream
from tests.copies import hang_up, run_on_server
from tests.scenes import HELD, SURE, make_person, make_stream


def run_tool(program: str, *arguments: str | Path) -> None:
    told = connection.settings_dict
    environment = {
        **os.environ,
        "PGHOST": str(told["HOST"]),
        "PGPORT": str(told["PORT"]),
        "PGUSER": str(told["USER"]),
        "PGPASSWORD": str(told["PASSWORD"]),
    }
    command = [find_postgres().beside(program), *arguments]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.fixture
def scratch(transactional_db: None) -> Iterator[None]:
    """A database of its own, like ours, so that it can be destroyed."""
    ours = connection.settings_dict["NAME"]
    name = f"rehearsal_of_a_restore_{os.getpid()}"
    hang_up()
    run_on_server(f"DROP DATABASE IF EXISTS {name}", f'CREATE DATABASE {name} TEMPLATE "{ours}"')
    connection.settings_dict["NAME"] = name
    try:
        yield
    finally:
        hang_up()
        connection.settings_dict["NAME"] = ours
        run_on_server(f"DROP DATABASE {name} WITH (FORCE)")


def contents() -> dict[str, tuple[int, str]]:
    """Of every table how many rows it has, and a digest of them."""
    found = {}
    with connection.cursor() as cursor:
        cursor.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
        for (table,) in cursor.fetchall():
            cursor.execute(
                "SELECT count(*), coalesce(md5(string_agg(row::text, '|' ORDER BY row::text)), '')"
                f' FROM "{table}" AS row'
            )
            count, digest = cursor.fetchone()
            found[table] = count, digest
    return found


def judge(stream: Stream, name: str) -> None:
    person = make_person(name, stream, "reviewer")
    task = claim_next(user=person, stream=stream, queue="hold")
    assert task is not None
    assert task.lease_token is not None
    record_verdict(
        task_id=task.id,
        lease_token=task.lease_token,
        reviewer=person,
        answer=Answer("category", ("vpn_issue",), comment="It drops."),
    )


def outcomes(upstream: Upstream, after: str = "") -> dict[str, object]:
    answered = upstream.get(f"outcomes?after={after}")
    assert answered.status_code == 200
    found: dict[str, object] = answered.json()  # type: ignore[attr-defined]
    return found


def test_restored_database_is_the_one_that_was_dumped(scratch: None, tmp_path: Path) -> None:
    stream = make_stream(undo_seconds=0)
    posts = [Post(f"t{n}", {"body": f"This is {n}."}, HELD if n % 2 else SURE) for n in range(20)]
    take_in(stream=stream, posts=posts)
    _, key = issue_api_key(name="tickets", streams=[stream])
    upstream = Upstream(Client(), key, stream.key)
    judge(stream, "rita")
    judge(stream, "sam")
    first = outcomes(upstream)
    judge(stream, "erin")
    erase_items(stream=stream, external_ids=["t0"])
    last = outcomes(upstream, str(first["next"]))
    before = contents()
    dump = tmp_path / "reviewqueue.dump"
    name = str(connection.settings_dict["NAME"])
    run_tool("pg_dump", "--format=custom", f"--file={dump}", name)
    judge(stream, "later")
    after_the_dump = str(outcomes(upstream, str(last["next"]))["next"])
    erase_items(stream=stream, external_ids=["t2"])

    hang_up()
    run_on_server(f"DROP DATABASE {name} WITH (FORCE)", f"CREATE DATABASE {name}")
    run_tool("pg_restore", "--exit-on-error", "--no-owner", f"--dbname={name}", dump)

    assert contents() == before
    replayed = replay_decisions(stream=stream)
    assert (replayed.decisions, replayed.differing) == (20, 0)
    assert outcomes(upstream) | {"next": ""} == {
        "outcomes": [*first["outcomes"], *last["outcomes"]],  # type: ignore[misc]
        "more": False,
        "next": "",
    }
    assert outcomes(upstream, str(first["next"])) == last
    # What was told after the dump is lost: who has read it is told so, and misses nothing.
    ahead = upstream.get(f"outcomes?after={after_the_dump}")
    assert ahead.status_code == 422
    judge(stream, "again")
    new = outcomes(upstream, str(last["next"]))
    assert (len(new["outcomes"]), new["next"]) == (1, after_the_dump)  # type: ignore[arg-type]
    # So is what was erased after it, until it is erased again.
    assert Item.objects.get(external_id="t0").payload == {}
    assert Item.objects.get(external_id="t2").payload == {"body": "This is 2."}
    assert erase_items(stream=stream, external_ids=["t0", "t2"]).erased == 1
    with pytest.raises(Error, match="pgtrigger"), transaction.atomic():
        Verdict.objects.update(active_ms=1)
    assert ReviewTask.objects.filter(state="answered").count() == 4
