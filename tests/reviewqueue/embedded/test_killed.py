"""After kill -9 of anything: nothing that was committed is lost, and a start works again."""

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import redis

from reviewqueue.embedded import ServicesError, join_services, services
from reviewqueue.embedded.processes import guard_command, is_alive, wait_until
from tests.reviewqueue.embedded.conftest import (
    keeper_pid,
    kill_everything,
    postmaster_pid,
    processes_of,
    read_rows,
    start_user,
    write_row,
)


def test_everything_killed_loses_nothing(state: Path) -> None:
    user = start_user(state, durable=True)
    write_row(user.services, 1)
    with redis.Redis.from_url(user.services.redis_url) as broker:
        broker.set("kept", "1")
    sockets = Path(user.services.database_url.partition("host=")[2])
    kill_everything(state)
    user.kill()
    assert (state / "services.json").exists()
    assert (state / "postgres/data/postmaster.pid").exists()

    with services(state) as running:
        assert read_rows(running) == [1]
        with redis.Redis.from_url(running.redis_url) as broker:
            assert broker.get("kept") == b"1"
        assert not sockets.exists()


def test_everything_killed_and_the_number_given_to_another_program(state: Path) -> None:
    user = start_user(state, durable=True)
    write_row(user.services, 1)
    kill_everything(state)
    user.kill()
    bystander = subprocess.Popen(["/bin/sleep", "600"])
    note = state / "postgres/data/postmaster.pid"
    lines = note.read_text().split("\n")
    note.write_text("\n".join([str(bystander.pid), *lines[1:]]))

    try:
        with services(state) as running:
            assert read_rows(running) == [1]
            assert postmaster_pid(state) != bystander.pid
        assert bystander.poll() is None
    finally:
        bystander.kill()
        bystander.wait()


def test_servers_die_with_the_keeper_and_start_again(state: Path) -> None:
    user = start_user(state, durable=True)
    write_row(user.services, 1)
    os.kill(keeper_pid(state), signal.SIGKILL)
    assert wait_until(lambda: processes_of(state) == [], seconds=20)
    second = start_user(state, durable=True)
    assert read_rows(second.services) == [1]
    assert second.leave() == user.leave() == 0


def test_killed_server_is_started_again_at_the_same_address(state: Path) -> None:
    with services(state) as running:
        write_row(running, 1)
        killed = postmaster_pid(state)
        os.kill(killed, signal.SIGKILL)
        log = state / "logs/keeper.log"
        assert wait_until(lambda: "Postgres is back" in log.read_text(), seconds=60)
        assert read_rows(running) == [1]
        assert postmaster_pid(state) != killed


def test_broken_broker_log_is_set_aside(state: Path) -> None:
    with services(state, durable=False):
        pass
    (folder,) = state.glob("valkey-*")
    for path in (folder / "appendonlydir").iterdir():
        path.write_bytes(b"this is no log\n" * 99)
    with (
        services(state, durable=False) as running,
        redis.Redis.from_url(running.redis_url) as broker,
    ):
        assert broker.dbsize() == 0
    assert len(list(state.glob("valkey-*.broken-*"))) == 1


def test_unfinished_cluster_is_made_afresh(state: Path) -> None:
    unfinished = state / "postgres.new-12345678"
    unfinished.mkdir(parents=True)
    state.chmod(0o711)
    (unfinished / "password").write_text("half")
    with services(state, durable=False) as running:
        write_row(running, 1)
    assert not unfinished.exists()


def test_data_of_an_unknown_major_version_is_named(state: Path) -> None:
    data = state / "postgres/data"
    data.mkdir(parents=True)
    (data / "PG_VERSION").write_text("9\n")
    with pytest.raises(ServicesError, match=r"written by PostgreSQL 9, .* set DATABASE_URL"):
        join_services(state)
    assert processes_of(state) == []
    shutil.rmtree(state / "postgres")
    with services(state, durable=False) as running:
        write_row(running, 1)


def test_guard_ends_its_command_when_the_parent_is_killed() -> None:
    guarded = guard_command(["/bin/sleep", "600"], signal.SIGTERM)
    program = (
        "import subprocess, sys, time\n"
        f"guard = subprocess.Popen({guarded!r})\n"
        "print(guard.pid, flush=True)\n"
        "time.sleep(600)\n"
    )
    parent = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    guard = int(parent.stdout.readline())
    children = Path(f"/proc/{guard}/task/{guard}/children")
    assert wait_until(lambda: children.read_text() != "", seconds=20)
    child = int(children.read_text())
    time.sleep(0.3)
    assert is_alive(child)
    parent.kill()
    parent.communicate()
    assert wait_until(lambda: not is_alive(child) and not is_alive(guard), seconds=20)


def test_guard_passes_signals_and_the_exit_code_on() -> None:
    trap = "trap 'exit 7' TERM; echo ready; while :; do sleep 0.05; done"
    guard = subprocess.Popen(
        guard_command(["/bin/sh", "-c", trap], signal.SIGKILL), stdout=subprocess.PIPE
    )
    assert guard.stdout is not None
    assert guard.stdout.readline() == b"ready\n"
    guard.terminate()
    guard.communicate()
    assert guard.returncode == 7
