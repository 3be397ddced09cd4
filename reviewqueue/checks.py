"""System checks: a misconfiguration says what is wrong, where, and how to mend it."""

from collections.abc import Iterator, Sequence
from typing import Final

from django.apps import AppConfig
from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, Warning, register
from django.db import connections
from redis.exceptions import RedisError

from reviewqueue import variables
from reviewqueue.logs import JSON

SHARED_SECRETS: Final = {
    "SECRET_KEY": "sessions end whenever a request meets another host",
    "WEBHOOK_KEYS": "none reads the secrets of webhooks and second factors that another has stored",
    "AUDIT_SECRET": "each draws other audit samples, and inclusion probabilities are wrong",
}
SERVICES: Final = {
    "DATABASE_URL": "postgresql://user:password@host:5432/name",
    "REDIS_URL": "redis://host:6379/0",
}
SHORTEST_SECRET: Final = 32
OLDEST_POSTGRES: Final = 15
# A web and a worker beside each other, and a few for people.
FEWEST_CONNECTIONS: Final = 40


@register(Tags.security, deploy=True)
def check_environment(
    app_configs: Sequence[AppConfig] | None,  # noqa: ARG001 - the signature of a check
    **kwargs: object,  # noqa: ARG001
) -> list[CheckMessage]:
    """What a deployment over several hosts has to share."""
    missing: list[CheckMessage] = [
        Error(
            f"{name} is not set, so services that live and die with this host are used.",
            hint=f"Set {name}, such as {example}.",
            id="reviewqueue.E001",
        )
        for name, example in SERVICES.items()
        if not variables.is_given(name)
    ]
    missing += [
        Warning(
            f"{name} is not set and read from this host's state folder: with several hosts {harm}.",
            hint=f"Set {name} to the same long random text everywhere, or {name}_FILE to a file.",
            id="reviewqueue.W001",
        )
        for name, harm in SHARED_SECRETS.items()
        if not variables.is_given(name)
    ]
    return missing


@register(Tags.security, deploy=True)
def check_exposure(
    app_configs: Sequence[AppConfig] | None,  # noqa: ARG001
    **kwargs: object,  # noqa: ARG001
) -> list[CheckMessage]:
    """What lets people in who should not be, or leaves nobody watching."""
    return [*_weak_secrets(), *_open_doors(), *_nobody_watches()]


def _weak_secrets() -> Iterator[CheckMessage]:
    for name in (*SHARED_SECRETS, "METRICS_TOKEN"):
        secrets = variables.words(name) if name == "WEBHOOK_KEYS" else [variables.text(name)]
        if any(0 < len(secret) < SHORTEST_SECRET for secret in secrets):
            yield Error(
                f"{name} is shorter than {SHORTEST_SECRET} characters and can be guessed.",
                hint='Make one: python -c "import secrets; print(secrets.token_urlsafe(48))".',
                id="reviewqueue.E002",
            )


def _open_doors() -> Iterator[CheckMessage]:
    if "*" in settings.ALLOWED_HOSTS:
        yield Error(
            "ALLOWED_HOSTS holds *, so links in answers can be made to lead anywhere.",
            hint="Set ALLOWED_HOSTS to the host names that people type.",
            id="reviewqueue.E003",
        )
    if not settings.HTTPS:
        yield Warning(
            "HTTPS is off: sessions and keys can be read on the way.",
            hint="Put a proxy with TLS in front that sets X-Forwarded-Proto, and set HTTPS=true.",
            id="reviewqueue.W006",
        )
    if settings.ALLOW_PRIVATE_ADDRESSES:
        yield Warning(
            "ALLOW_PRIVATE_ADDRESSES is on: a stream admin can have this server call any address "
            "of its own network.",
            hint="Leave ALLOW_PRIVATE_ADDRESSES out unless models or receivers stand in there.",
            id="reviewqueue.W003",
        )


def _nobody_watches() -> Iterator[CheckMessage]:
    if not settings.METRICS_TOKEN and not settings.METRICS_NETWORKS:
        yield Warning(
            "Neither METRICS_TOKEN nor METRICS_NETWORKS is set, so /metrics answers nobody.",
            hint="Set METRICS_TOKEN (or METRICS_TOKEN_FILE) and have Prometheus send it.",
            id="reviewqueue.W004",
        )
    if settings.LOG_FORMAT != JSON:
        yield Warning(
            "LOG_FORMAT is not json: requests are not logged, nor can lines be searched by field.",
            hint="Set LOG_FORMAT=json.",
            id="reviewqueue.W005",
        )


@register(Tags.database)
def check_database(
    app_configs: Sequence[AppConfig] | None,  # noqa: ARG001
    databases: Sequence[str] | None = None,
    **kwargs: object,  # noqa: ARG001
) -> list[CheckMessage]:
    """What PostgreSQL has to be like; run with `check --database default`."""
    found: list[CheckMessage] = []
    for alias in databases or ():
        with connections[alias].cursor() as cursor:
            cursor.execute(
                "SELECT current_setting('server_version_num')::int / 10000,"
                " current_setting('server_encoding'), current_setting('synchronous_commit'),"
                " current_setting('fsync'), current_setting('autovacuum'),"
                " current_setting('max_connections')::int"
            )
            major, encoding, commits, fsync, vacuums, most = cursor.fetchone()
        found += _judge_version(alias, int(major), str(encoding))
        found += _judge_durability(alias, str(commits), str(fsync))
        found += _judge_upkeep(alias, str(vacuums), int(most))
    return found


def _judge_version(alias: str, major: int, encoding: str) -> Iterator[CheckMessage]:
    if major < OLDEST_POSTGRES:
        yield Error(
            f"The database {alias!r} is PostgreSQL {major}.",
            hint=f"Upgrade it to {OLDEST_POSTGRES} or later.",
            id="reviewqueue.E010",
        )
    if encoding != "UTF8":
        yield Error(
            f"The database {alias!r} has the encoding {encoding}, which cannot hold every text.",
            hint="Create it anew with ENCODING 'UTF8'.",
            id="reviewqueue.E011",
        )


def _judge_durability(alias: str, commits: str, fsync: str) -> Iterator[CheckMessage]:
    for name, value in (("synchronous_commit", commits), ("fsync", fsync)):
        if value == "off":
            yield Warning(
                f"{name} is off in the database {alias!r}: a crash can lose what was accepted.",
                hint=f"ALTER SYSTEM SET {name} = on; SELECT pg_reload_conf();",
                id="reviewqueue.W010",
            )


def _judge_upkeep(alias: str, vacuums: str, most: int) -> Iterator[CheckMessage]:
    if vacuums == "off":
        yield Warning(
            f"autovacuum is off in the database {alias!r}: queues get slower week by week.",
            hint="ALTER SYSTEM SET autovacuum = on; SELECT pg_reload_conf();",
            id="reviewqueue.W011",
        )
    if most < FEWEST_CONNECTIONS:
        yield Warning(
            f"max_connections is {most} in the database {alias!r}; each process of web and worker "
            "takes up to 8.",
            hint=f"Raise max_connections to {FEWEST_CONNECTIONS} or more, or lower pool_max_size "
            "in DATABASE_URL.",
            id="reviewqueue.W012",
        )


@register(Tags.database)
def check_broker(
    app_configs: Sequence[AppConfig] | None,  # noqa: ARG001
    databases: Sequence[str] | None = None,
    **kwargs: object,  # noqa: ARG001
) -> list[CheckMessage]:
    """What the broker has to be like; looked at together with the database."""
    from reviewqueue.readiness import broker_client  # noqa: PLC0415 - needs the apps

    if not databases or not settings.REDIS_URL:
        return []
    try:
        said = broker_client(settings.REDIS_URL).info("memory")
    except (RedisError, OSError) as error:
        return [
            Warning(
                f"The broker of REDIS_URL does not answer ({type(error).__name__}): tasks start "
                "up to 30 s late.",
                hint="See that Redis or Valkey runs, and that REDIS_URL and its password fit.",
                id="reviewqueue.W020",
            )
        ]
    policy = said.get("maxmemory_policy", "noeviction")
    if policy == "noeviction":
        return []
    return [
        Warning(
            f"The broker throws messages away when its memory is full (maxmemory-policy {policy}).",
            hint="Give it an instance of its own with maxmemory-policy noeviction.",
            id="reviewqueue.W021",
        )
    ]


@register(Tags.security, deploy=True)
def check_proxies(
    app_configs: Sequence[AppConfig] | None,  # noqa: ARG001 - the signature of a check
    **kwargs: object,  # noqa: ARG001
) -> list[CheckMessage]:
    """Tries of a sign-in are counted by address, which is the proxy's unless it is counted."""
    if not settings.HTTPS or settings.ALLAUTH_TRUSTED_PROXY_COUNT:
        return []
    return [
        Warning(
            "HTTPS is on and TRUSTED_PROXY_COUNT is not set, so everybody seems to come from the "
            "proxy: ten wrong passwords in a minute lock all people out.",
            hint="Set TRUSTED_PROXY_COUNT to the number of proxies that add to X-Forwarded-For.",
            id="reviewqueue.W002",
        )
    ]
