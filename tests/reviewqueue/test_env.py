"""What the environment decides: URLs, secrets, and which commands need the services."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from kombu.connection import Connection

from reviewqueue import env
from reviewqueue.embedded.processes import PROJECT


def test_database_config_of_a_socket_folder() -> None:
    config = env.database_config("postgresql://me:s%40id@/mine?host=/tmp/x&sslmode=disable")
    assert config == {
        "ENGINE": "reviewqueue.postgres",
        "NAME": "mine",
        "USER": "me",
        "PASSWORD": "s@id",
        "HOST": "/tmp/x",
        "PORT": "",
        "CONN_HEALTH_CHECKS": False,
        "DISABLE_SERVER_SIDE_CURSORS": True,
        "OPTIONS": {
            "sslmode": "disable",
            "pool": {"min_size": 1, "max_size": 8, "timeout": 10},
        },
    }


def test_database_config_of_a_host() -> None:
    config = env.database_config("postgres://me@db.example:6543/mine?pool_max_size=3")
    assert (config["HOST"], config["PORT"], config["NAME"]) == ("db.example", "6543", "mine")
    assert config["OPTIONS"] == {"pool": {"min_size": 1, "max_size": 3, "timeout": 10}}


def test_database_config_keeps_plans_beside_the_options_given() -> None:
    url = "postgresql://me@db/rq?options=-c%20work_mem=8MB"
    config = env.database_config(url, prepare=True)
    assert config["DISABLE_SERVER_SIDE_CURSORS"] is False
    options = config["OPTIONS"]
    assert options["prepare_threshold"] == 0
    assert options["options"] == "-c work_mem=8MB -c plan_cache_mode=force_generic_plan"


def test_database_config_without_url_says_what_to_do() -> None:
    config = env.database_config("")
    assert config["HOST"] == "/use-manage.py-or-set-DATABASE_URL"
    assert config["OPTIONS"] == {}


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("mysql://me:secret@host/mine", r"DATABASE_URL is 'mysql://\.\.\.@host/mine': write"),
        ("postgresql://me:secret@host", r"DATABASE_URL is .*: write postgresql://"),
        ("postgresql://me:secret@host:port/mine", "its port is not a number"),
        ("postgresql://host/mine?pool_max_size=many", "pool_max_size='many': write a whole number"),
    ],
)
def test_database_config_of_a_wrong_url(url: str, message: str) -> None:
    with pytest.raises(env.ConfigurationError, match=message) as caught:
        env.database_config(url)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("redis_url", "expected"),
    [
        ("redis://:pw@host:6379/2", "redis://:pw@host:6379/2"),
        ("rediss://host:6380/0", "rediss://host:6380/0"),
        ("unix://:pw@/tmp/s?db=3", "redis+socket://:pw@/tmp/s?virtual_host=3"),
        ("unix:///tmp/s?password=pw", "redis+socket://:pw@/tmp/s?virtual_host=0"),
        ("", "redis+socket:///use-manage.py-or-set-REDIS_URL?virtual_host=0"),
    ],
)
def test_broker_url(redis_url: str, expected: str) -> None:
    assert env.broker_url(redis_url) == expected


def test_broker_url_of_another_scheme() -> None:
    with pytest.raises(env.ConfigurationError, match=r"REDIS_URL is 'http://host': write redis://"):
        env.broker_url("http://host")


def test_directory_config_of_an_issuer() -> None:
    found = env.directory_config(issuer="https://id.example/", client_id="rq", secret="s", name="")[
        "openid_connect"
    ]
    [app] = found["APPS"]
    assert (app["name"], app["settings"]) == ("id.example", {"server_url": "https://id.example"})
    assert found["OAUTH_PKCE_ENABLED"] is True


def test_directory_config_without_an_issuer_is_off() -> None:
    assert env.directory_config(issuer="", client_id="", secret="", name="") == {}


@pytest.mark.parametrize(
    ("issuer", "client_id", "message"),
    [
        ("http://id.example", "rq", r"OIDC_ISSUER is 'http://id\.example': write its https://"),
        ("https://id.example", "", "OIDC_CLIENT_ID is not set: write the id"),
    ],
)
def test_directory_config_that_is_wrong(issuer: str, client_id: str, message: str) -> None:
    with pytest.raises(env.ConfigurationError, match=message):
        env.directory_config(issuer=issuer, client_id=client_id, secret="", name="")


def test_broker_url_reaches_the_running_broker() -> None:
    with Connection(env.broker_url(os.environ["REDIS_URL"])) as connection:  # type: ignore[no-untyped-call]
        queue = connection.SimpleQueue("test_broker_url")
        queue.put("a word")
        assert queue.get(timeout=10).payload == "a word"
        queue.clear()
        queue.close()


@pytest.mark.parametrize(
    ("command", "needed"),
    [
        ("", False),
        ("help", False),
        ("migrate", True),
        ("migrate --help", False),
        ("check", False),
        ("check --database default", True),
        ("makemigrations --check --dry-run", False),
        ("makemigrations", True),
        ("collectstatic --no-input", False),
        ("demo --load", True),
    ],
)
def test_needs_services(command: str, needed: bool) -> None:
    assert env.needs_services(["manage.py", *command.split()]) is needed


def test_given_urls_start_nothing(tmp_path: Path) -> None:
    state = tmp_path / "state"
    given = {
        "DATABASE_URL": "postgresql://me@db.example/mine",
        "REDIS_URL": "redis://broker.example",
        "REVIEWQUEUE_STATE_DIR": str(state),
    }
    program = (
        "import os; from reviewqueue import env\n"
        "print(env.ensure_services(), os.environ['DATABASE_URL'], os.environ['REDIS_URL'])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        env=os.environ | given,
        capture_output=True,
        text=True,
        check=True,
        cwd=PROJECT,
    )
    assert done.stdout == "None postgresql://me@db.example/mine redis://broker.example\n"
    assert not state.exists()


def test_local_secret_is_one_and_private(tmp_path: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from reviewqueue import env\n"
        "print(env.local_secret(Path(sys.argv[1]), 'key'))"
    )
    folder = tmp_path / "state"
    started = [
        subprocess.Popen(
            [sys.executable, "-c", program, str(folder)],
            stdout=subprocess.PIPE,
            text=True,
            cwd=PROJECT,
        )
        for _ in range(4)
    ]
    told = {process.communicate()[0].strip() for process in started}
    assert told == {env.local_secret(folder, "key")}
    assert len(told.pop()) == 64
    assert [path.name for path in folder.iterdir()] == ["key"]
    assert (folder / "key").stat().st_mode & 0o777 == 0o600


def test_replica_is_configured_where_there_is_one() -> None:
    script = (
        "from reviewqueue import settings; "
        "print(sorted(settings.DATABASES), settings.DATABASES['replica']['HOST'])"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=PROJECT,
        env=os.environ | {"REPLICA_URL": "postgresql://me@second.example/mine"},
        check=True,
        capture_output=True,
        text=True,
    )
    assert done.stdout.strip() == "['default', 'replica'] second.example"


def test_wrong_replica_url_is_named() -> None:
    with pytest.raises(env.ConfigurationError, match=r"REPLICA_URL has pool_max_size='x'"):
        env.database_config("postgresql://host/mine?pool_max_size=x", variable="REPLICA_URL")
