"""Every environment variable that is read, with its default and what it means.

    python -m reviewqueue.variables > docs/settings.md

Nothing else reads the environment by a name of its own, so the table is whole. An empty variable
counts as one that is not set. A secret may stand in a file instead, whose path is given in the
variable with `_FILE` after its name, as Docker and Kubernetes mount them.
"""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_YES: Final = frozenset({"1", "true", "yes", "on", "t", "y"})
_NO: Final = frozenset({"0", "false", "no", "off", "f", "n"})


class ConfigurationError(ValueError):
    """An environment variable is wrong; the message names it and says what to write."""


@dataclass(frozen=True, slots=True)
class Variable:
    """One variable. `default` is as one would write it; `otherwise` what an empty one means."""

    name: str
    default: str
    meaning: str
    otherwise: str = ""
    is_secret: bool = False


@dataclass(frozen=True, slots=True)
class Section:
    """Variables that belong together."""

    title: str
    variables: tuple[Variable, ...]


_KEPT: Final = "made at first use, kept in the state folder"

SECTIONS: Final = (
    Section(
        "Services",
        (
            Variable(
                "DATABASE_URL",
                "",
                "PostgreSQL, as `postgresql://user:password@host:5432/name`. A socket folder is "
                "`?host=/folder`; `pool_min_size` and `pool_max_size` (8) size the pool of each "
                "process; other options go to libpq.",
                otherwise="a PostgreSQL of its own",
                is_secret=True,
            ),
            Variable(
                "DATABASE_PASSWORD",
                "",
                "The password, any characters, for a `DATABASE_URL` without one.",
                otherwise="none",
                is_secret=True,
            ),
            Variable(
                "REPLICA_URL",
                "",
                "A read replica for exports and insight pages, which may lag by seconds; written "
                "like `DATABASE_URL`, password included.",
                otherwise="everything is read from `DATABASE_URL`",
                is_secret=True,
            ),
            Variable(
                "PREPARE_STATEMENTS",
                "true",
                "Whether connections keep plans of statements. `false` behind a pooler that hands "
                "each transaction another connection.",
            ),
            Variable(
                "REDIS_URL",
                "",
                "Redis or Valkey, as `redis://host:6379/0`, `rediss://` or `unix:///socket?db=0`.",
                otherwise="a Valkey of its own",
                is_secret=True,
            ),
            Variable(
                "REDIS_PASSWORD",
                "",
                "The password, any characters, for a `REDIS_URL` without one.",
                otherwise="none",
                is_secret=True,
            ),
            Variable(
                "REVIEWQUEUE_STATE_DIR",
                "",
                "The folder for what a run leaves behind: bundled services, secrets, logs.",
                otherwise="`.local` in the project",
            ),
        ),
    ),
    Section(
        "Secrets",
        (
            Variable(
                "SECRET_KEY",
                "",
                "Signs sessions and form tokens. The same in every process.",
                otherwise=_KEPT,
                is_secret=True,
            ),
            Variable(
                "AUDIT_SECRET",
                "",
                "Draws the audit samples. The same in every process, and never changed: the chance "
                "of each label rests on it.",
                otherwise=_KEPT,
                is_secret=True,
            ),
            Variable(
                "WEBHOOK_KEYS",
                "",
                "Seal the secrets that webhooks sign with and second factors are made from, "
                "separated by commas. The first seals, each opens. `docs/webhooks.md` says how to "
                "change them.",
                otherwise=_KEPT,
                is_secret=True,
            ),
        ),
    ),
    Section(
        "Web",
        (
            Variable(
                "ALLOWED_HOSTS",
                "localhost,127.0.0.1,[::1]",
                "Host names that are answered, separated by commas.",
            ),
            Variable(
                "CSRF_TRUSTED_ORIGINS",
                "",
                "Origins that forms may come from besides the host's own, such as "
                "`https://review.example`.",
                otherwise="none",
            ),
            Variable(
                "HTTPS",
                "false",
                "Whether people come by TLS: secure cookies, HSTS, plain requests are redirected. "
                "Needs a proxy that sets `X-Forwarded-Proto` itself.",
            ),
            Variable(
                "TRUSTED_PROXY_COUNT",
                "0",
                "How many proxies of yours add to `X-Forwarded-For`. Tries to sign in are counted "
                "by the address that they tell.",
            ),
            Variable(
                "HSTS_SECONDS",
                "31536000",
                "With `HTTPS`: how long browsers shall come by TLS only.",
            ),
            Variable(
                "HSTS_SUBDOMAINS", "false", "Whether that holds for all hosts of the domain below."
            ),
            Variable("HSTS_PRELOAD", "false", "Whether browsers may ship with that knowledge."),
            Variable("PORT", "8000", "Where the web server listens."),
            Variable("WEB_WORKERS", "2", "Worker processes of one web server."),
            Variable("WEB_THREADS", "4", "Threads of each of them that answer requests."),
            Variable(
                "DRAIN_SECONDS",
                "0",
                "How long after SIGTERM the web server goes on answering, while `/readyz` says "
                "503: as long as a load balancer needs to notice, and a second.",
            ),
            Variable(
                "STOP_SECONDS",
                "5",
                "How long requests under way may then take before their process is ended.",
            ),
            Variable(
                "STATIC_ROOT", "", "Where static files are collected.", otherwise="state folder"
            ),
            Variable("DEBUG", "false", "Django's debug pages. Never where others can reach them."),
        ),
    ),
    Section(
        "Sign-in",
        (
            Variable("SESSION_DAYS", "14", "How long somebody stays signed in."),
            Variable(
                "SECOND_FACTOR",
                "optional",
                "Who gets no further without a second factor: `optional` (nobody), `staff` (stream "
                "admins too) or `all`.",
            ),
            Variable(
                "OIDC_ISSUER",
                "",
                "The address of a directory that people sign in through, by OpenID Connect.",
                otherwise="sign-in by password only",
            ),
            Variable(
                "OIDC_CLIENT_ID",
                "",
                "Under which id the directory knows this service.",
                otherwise="none",
            ),
            Variable(
                "OIDC_CLIENT_SECRET",
                "",
                "What this service proves itself with to the directory.",
                otherwise="none",
                is_secret=True,
            ),
            Variable(
                "OIDC_NAME",
                "",
                "What the button at the sign-in calls the directory.",
                otherwise="its host name",
            ),
            Variable(
                "OIDC_MAKES_ACCOUNTS",
                "false",
                "Whether somebody whom the directory knows and nobody here does gets an account.",
            ),
        ),
    ),
    Section(
        "Limits",
        (
            Variable(
                "API_REQUESTS_PER_MINUTE",
                "6000",
                "How often a key may ask unless it says otherwise; 0: as often as it likes.",
            ),
            Variable(
                "ALLOW_PRIVATE_ADDRESSES",
                "false",
                "Whether remote models and webhooks may have private addresses.",
            ),
        ),
    ),
    Section(
        "Watching",
        (
            Variable(
                "LOG_FORMAT",
                "human",
                "`json` writes one object a line and one line for each request; `human` is for a "
                "terminal.",
            ),
            Variable(
                "METRICS_TOKEN",
                "",
                "`/metrics` answers who sends `Authorization: Bearer` and this.",
                otherwise="nobody has a token",
                is_secret=True,
            ),
            Variable(
                "METRICS_NETWORKS",
                "",
                "`/metrics` answers peers in these networks, such as `10.0.0.0/8`, separated by "
                "commas. What a proxy passed on, and says so in a header, does not count.",
                otherwise="no network",
            ),
            Variable(
                "ALIVE_MARK",
                "",
                "A file that worker or beat touches every few seconds, for a health check.",
                otherwise="none",
            ),
        ),
    ),
    Section(
        "The demo",
        (
            Variable(
                "REVIEWQUEUE_URL",
                "",
                "The address that `manage.py demo --load` posts to.",
                otherwise="set by `make run`",
            ),
        ),
    ),
)

VARIABLES: Final = {one.name: one for section in SECTIONS for one in section.variables}


def text(name: str) -> str:
    """The variable, or the content of the file that `NAME_FILE` names, or its default.

    Raises `ConfigurationError`: both are set, or the file cannot be read or is empty.
    """
    variable = VARIABLES[name]
    given = os.environ.get(name, "")
    path = os.environ.get(f"{name}_FILE", "") if variable.is_secret else ""
    if not path:
        return given or variable.default
    if given:
        raise ConfigurationError(f"{name} and {name}_FILE are both set: leave one of them out.")
    return _read_secret(f"{name}_FILE", path)


def flag(name: str) -> bool:
    """Whether the variable says yes. Raises `ConfigurationError`."""
    said = text(name).strip().lower()
    if said not in _YES | _NO:
        raise ConfigurationError(f"{name} is {said!r}: write true or false.")
    return said in _YES


def number(name: str) -> int:
    """The variable as a whole number from 0 on. Raises `ConfigurationError`."""
    said = text(name).strip()
    if not (said.isascii() and said.isdigit()):
        raise ConfigurationError(f"{name} is {said!r}: write a whole number.")
    return int(said)


def words(name: str) -> list[str]:
    """The parts of the variable between commas, without the empty ones."""
    return [word.strip() for word in text(name).split(",") if word.strip()]


def one_of(name: str, allowed: Sequence[str]) -> str:
    """The variable, one of `allowed`. Raises `ConfigurationError`."""
    said = text(name)
    if said not in allowed:
        raise ConfigurationError(f"{name} is {said!r}: write {' or '.join(allowed)}.")
    return said


def is_given(name: str) -> bool:
    """Whether the environment sets the variable, itself or by a file."""
    return bool(os.environ.get(name) or os.environ.get(f"{name}_FILE"))


def _read_secret(name: str, path: str) -> str:
    try:
        said = Path(path).read_text().rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(
            f"{name} is {path!r}, which cannot be read ({error}): name a text file that the "
            "account of this process may read."
        ) from error
    if not said:
        raise ConfigurationError(f"{name} is {path!r}, which is empty: write the secret into it.")
    return said


def write_table() -> str:
    """The page of all variables, in Markdown."""
    lines = [
        "# Settings",
        "",
        "Every difference between deployments is an environment variable. This page is written by",
        "`python -m reviewqueue.variables > docs/settings.md`; a test fails where it is stale.",
        "",
        "Where a name is marked with *, a file may hold the value:",
        "`SECRET_KEY_FILE=/run/secrets/key`. An empty variable counts as not set.",
        "`manage.py check --deploy` says what a deployment lacks.",
    ]
    for section in SECTIONS:
        lines += [
            "",
            f"## {section.title}",
            "",
            "| variable | default | meaning |",
            "| --- | --- | --- |",
        ]
        for one in section.variables:
            default = f"`{one.default}`" if one.default else one.otherwise
            mark = " *" if one.is_secret else ""
            lines.append(f"| `{one.name}`{mark} | {default} | {one.meaning} |")
    return "\n".join([*lines, ""])


if __name__ == "__main__":
    print(write_table(), end="")
