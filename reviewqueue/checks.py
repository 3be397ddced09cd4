"""System checks: a misconfiguration says how to mend it."""

import os
from collections.abc import Sequence

from django.apps import AppConfig
from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, Warning, register

SHARED_SECRETS = {
    "SECRET_KEY": "sessions end whenever a request meets another host",
    "WEBHOOK_KEYS": "none reads the secrets of webhooks that another has stored",
    "AUDIT_SECRET": "each draws other audit samples, and inclusion probabilities are wrong",
}
SERVICES = {
    "DATABASE_URL": "postgresql://user:password@host:5432/name",
    "REDIS_URL": "redis://host:6379/0",
}


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
        if not os.environ.get(name)
    ]
    missing += [
        Warning(
            f"{name} is not set and read from this host's state folder: with several hosts {harm}.",
            hint=f"Set {name} to the same long random text everywhere.",
            id="reviewqueue.W001",
        )
        for name, harm in SHARED_SECRETS.items()
        if not os.environ.get(name)
    ]
    return missing


@register(Tags.security, deploy=True)
def check_proxies(
    app_configs: Sequence[AppConfig] | None,  # noqa: ARG001 - the signature of a check
    **kwargs: object,  # noqa: ARG001
) -> list[CheckMessage]:
    """Tries of a log-in are counted by address, which is the proxy's unless it is counted."""
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
