"""Starting, joining and leaving: who may, and when the servers stop."""

import stat
from pathlib import Path

import psycopg
import pytest
import redis

from reviewqueue.embedded import ServicesError, join_services, services
from reviewqueue.embedded.processes import wait_until
from tests.reviewqueue.embedded.conftest import (
    keeper_pid,
    postmaster_pid,
    processes_of,
    read_rows,
    start_user,
    write_row,
)


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_services_in_a_long_path_with_spaces(folder: Path) -> None:
    state = folder / "a b" / ("x y " * 30) / "state"
    with services(state, durable=False) as running:
        with psycopg.connect(running.database_url) as connection:
            row = connection.execute(
                "SELECT current_setting('listen_addresses'), rolsuper, rolcreatedb, "
                "current_setting('server_encoding'), current_setting('password_encryption') "
                "FROM pg_roles WHERE rolname = current_user"
            ).fetchone()
            ordered = connection.execute(
                "SELECT string_agg(word, '' ORDER BY word) FROM unnest('{b,A,ä,a,B}'::text[]) word"
            ).fetchone()
            sockets = Path(connection.info.host)
        with redis.Redis.from_url(running.redis_url) as broker:
            assert broker.config_get("maxmemory-policy") == {"maxmemory-policy": "noeviction"}
            assert broker.config_get("appendonly") == {"appendonly": "yes"}
            assert broker.config_get("port") == {"port": "0"}
        assert row == ("", False, True, "UTF8", "scram-sha-256")
        assert ordered == ("ABabä",)
        assert mode_of(sockets) == 0o700
        assert mode_of(state / "services.json") == 0o600
        assert mode_of(state / "postgres") == 0o700
    assert not (state / "services.json").exists()
    assert not sockets.exists()
    assert processes_of(state) == []


def test_wrong_or_missing_password_is_refused(state: Path) -> None:
    with services(state, durable=False) as running:
        host = running.database_url.partition("?")[2]
        for login in ("reviewqueue", "reviewqueue:guess", "postgres"):
            with pytest.raises(psycopg.OperationalError, match="password"):
                psycopg.connect(f"postgresql://{login}@/reviewqueue?{host}")
        socket = running.redis_url.partition("@")[2]
        with (
            redis.Redis.from_url(f"unix://{socket}") as broker,
            pytest.raises(redis.AuthenticationError),
        ):
            broker.ping()


def test_services_outlive_the_command_that_started_them_while_used(state: Path) -> None:
    first = start_user(state)
    write_row(first.services, 1)
    server = postmaster_pid(state)
    second = start_user(state)
    assert second.services == first.services
    assert first.leave() == 0
    assert read_rows(second.services) == [1]
    assert postmaster_pid(state) == server
    assert second.leave() == 0
    assert wait_until(lambda: processes_of(state) == [], seconds=20)


def test_concurrent_starts_make_one_server(state: Path) -> None:
    users = [start_user(state) for _ in range(4)]
    assert len({user.services for user in users}) == 1
    log = (state / "logs/postgres.log").read_text()
    assert log.count("ready to accept connections") == 1
    assert [user.leave() for user in users] == [0, 0, 0, 0]


def test_services_stop_when_the_last_user_is_killed(state: Path) -> None:
    user = start_user(state)
    sockets = Path(user.services.database_url.partition("host=")[2])
    user.kill()
    assert wait_until(lambda: processes_of(state) == [], seconds=20)
    assert not sockets.exists()
    assert not (state / "services.json").exists()


def test_membership_tells_that_the_keeper_died(state: Path) -> None:
    membership = join_services(state, durable=False)
    assert membership.is_lost() is False
    keeper = membership._keeper
    assert keeper is not None
    assert keeper.pid == keeper_pid(state)
    keeper.kill()
    keeper.wait()
    assert membership.is_lost() is True
    membership.leave()
    membership.leave()
    with services(state, durable=False) as running:
        write_row(running, 1)


def test_state_folder_that_cannot_be_made_is_named(folder: Path) -> None:
    (folder / "file").write_text("")
    with pytest.raises(ServicesError, match=f"{folder}/file/state.*REVIEWQUEUE_STATE_DIR"):
        join_services(folder / "file" / "state")
