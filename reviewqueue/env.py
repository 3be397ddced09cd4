"""What the environment decides: where the state lies, which database, which broker.

`manage.py` and `python -m reviewqueue.serve` call `ensure_services` before Django reads its
settings, so the settings see `DATABASE_URL` and `REDIS_URL` whoever provides them.
"""

import atexit
import os
import secrets
from collections.abc import Sequence
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import TypedDict
from urllib.parse import parse_qsl, quote, unquote, urlencode, urlsplit, urlunsplit

from reviewqueue import variables
from reviewqueue.embedded import Membership, Services, join_services
from reviewqueue.embedded.accounts import share_with_owner
from reviewqueue.embedded.processes import PROJECT

ConfigurationError = variables.ConfigurationError

# A connection to these fails at once, and the system's own message then says what to do.
_NO_DATABASE = "postgresql://reviewqueue@/reviewqueue?host=/use-manage.py-or-set-DATABASE_URL"
_NO_BROKER = "unix:///use-manage.py-or-set-REDIS_URL"

_WITHOUT_SERVICES = {
    *("check", "collectstatic", "compilemessages", "diffsettings", "findstatic"),
    *("help", "makemessages", "simulate_loop", "startapp", "version", "--version"),
}

# Else a statement is planned anew as long as that promises to save anything, which takes longer
# than to answer it.
_ONE_PLAN = "-c plan_cache_mode=force_generic_plan"

# The directory's part in addresses: /accounts/oidc/directory/login/callback/.
DIRECTORY = "directory"

_POOL_OPTIONS = {"pool_min_size": "min_size", "pool_max_size": "max_size"}


class DatabaseConfig(TypedDict):
    """An entry of Django's `DATABASES`."""

    ENGINE: str
    NAME: str
    USER: str
    PASSWORD: str
    HOST: str
    PORT: str
    CONN_HEALTH_CHECKS: bool
    DISABLE_SERVER_SIDE_CURSORS: bool
    OPTIONS: dict[str, object]


class DirectoryApp(TypedDict):
    """A directory as allauth knows it."""

    provider_id: str
    name: str
    client_id: str
    secret: str
    settings: dict[str, str]


class DirectoryProvider(TypedDict):
    """Directories of one protocol."""

    APPS: list[DirectoryApp]
    OAUTH_PKCE_ENABLED: bool


def state_dir() -> Path:
    """Return the folder for everything that a run leaves behind: `REVIEWQUEUE_STATE_DIR`."""
    return Path(variables.text("REVIEWQUEUE_STATE_DIR") or PROJECT / ".local").absolute()


def database_url() -> str:
    """The database that the environment names, with its password; empty where it names none."""
    return _with_password(variables.text("DATABASE_URL"), variables.text("DATABASE_PASSWORD"))


def redis_url() -> str:
    """The broker that the environment names, with its password; empty where it names none."""
    return _with_password(variables.text("REDIS_URL"), variables.text("REDIS_PASSWORD"))


def local_secret(folder: Path, name: str) -> str:
    """Return the secret kept as `name` in `folder`, made at first use, for its owner alone."""
    path = folder / name
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        building = path.with_name(f"{name}.{os.getpid()}")
        building.touch(mode=0o600)
        building.write_text(secrets.token_urlsafe(48))
        for made in (folder, building):
            share_with_owner(made, state_dir=folder.parent)
        try:
            path.hardlink_to(building)
        except FileExistsError:
            pass  # another process was first, and its secret counts
        finally:
            building.unlink()
    return path.read_text()


def database_config(
    url: str, *, prepare: bool = False, variable: str = "DATABASE_URL"
) -> DatabaseConfig:
    """Return Django's settings for `postgresql://user:password@host:port/name?option=value`.

    A socket folder is given as `?host=/folder`. `pool_min_size` and `pool_max_size` size the
    connection pool of one process; all other options go to libpq. An empty URL gives a database
    that cannot be reached, for commands that need none. Raises `ConfigurationError`.

    `prepare`: connections keep one plan, good for any values, of each statement that is asked at
    every click, and cursors over long results. Not behind a pooler that hands each transaction
    another connection.
    """
    parts = urlsplit(url or _NO_DATABASE)
    if parts.scheme not in {"postgres", "postgresql"} or not parts.path.strip("/"):
        raise ConfigurationError(
            f"{variable} is {_without_password(url)!r}: write "
            "postgresql://user:password@host:5432/name."
        )
    options: dict[str, object] = dict(parse_qsl(parts.query, keep_blank_values=True))
    host = str(options.pop("host", "")) or parts.hostname or ""
    pool = {"min_size": 1, "max_size": 8, "timeout": 10}
    for name, size in _POOL_OPTIONS.items():
        pool[size] = _read_size(f"{variable} has {name}", options.pop(name, pool[size]))
    if url:
        options["pool"] = pool
    if prepare:
        options["prepare_threshold"] = 0
        options["options"] = f"{options.get('options', '')} {_ONE_PLAN}".strip()
    return {
        "ENGINE": "reviewqueue.postgres",
        "NAME": unquote(parts.path.strip("/")),
        "USER": unquote(parts.username or ""),
        "PASSWORD": unquote(parts.password or ""),
        "HOST": host,
        "PORT": str(_read_port(variable, parts.netloc, url)),
        "CONN_HEALTH_CHECKS": False,  # `ENGINE` looks for itself, at less cost
        "DISABLE_SERVER_SIDE_CURSORS": not prepare,
        "OPTIONS": options,
    }


def broker_url(redis_url: str) -> str:
    """Return `redis_url`, as redis-py reads it, the way Celery reads it.

    `unix://:password@/socket?db=0` becomes `redis+socket://:password@/socket?virtual_host=0`.
    Raises `ConfigurationError`.
    """
    parts = urlsplit(redis_url or _NO_BROKER)
    if parts.scheme in {"redis", "rediss"}:
        return redis_url
    if parts.scheme != "unix":
        raise ConfigurationError(
            f"REDIS_URL is {_without_password(redis_url)!r}: write redis://host:6379/0, "
            "rediss://host:6380/0 or unix:///socket?db=0."
        )
    query = dict(parse_qsl(parts.query))
    login = parts.netloc
    if password := query.pop("password", ""):
        login = f":{password}@"
    options = urlencode({"virtual_host": query.pop("db", "0"), **query})
    return f"redis+socket://{login}{parts.path}?{options}"


def read_networks(name: str) -> list[IPv4Network | IPv6Network]:
    """The networks that a variable lists. Raises `ConfigurationError`."""
    found = []
    for word in variables.words(name):
        try:
            found.append(ip_network(word))
        except ValueError as error:
            raise ConfigurationError(
                f"{name} has {word!r} ({error}): write networks such as 10.0.0.0/8,::1/128."
            ) from error
    return found


def directory_config(
    *, issuer: str, client_id: str, secret: str, name: str
) -> dict[str, DirectoryProvider]:
    """Return allauth's settings for sign-in by OpenID Connect; none without an `issuer`.

    Authorization code with PKCE; tokens are not kept. Raises `ConfigurationError`.
    """
    if not issuer:
        return {}
    if not issuer.startswith(("https://", "http://localhost", "http://127.0.0.1")):
        raise ConfigurationError(f"OIDC_ISSUER is {issuer!r}: write its https:// address.")
    if not client_id:
        raise ConfigurationError(
            "OIDC_CLIENT_ID is not set: write the id under which OIDC_ISSUER knows this service."
        )
    app: DirectoryApp = {
        "provider_id": DIRECTORY,
        "name": name or urlsplit(issuer).hostname or issuer,
        "client_id": client_id,
        "secret": secret,
        "settings": {"server_url": issuer.rstrip("/")},
    }
    return {"openid_connect": {"APPS": [app], "OAUTH_PKCE_ENABLED": True}}


def needs_services(argv: Sequence[str]) -> bool:
    """Tell whether a `manage.py` command line needs PostgreSQL or Redis."""
    if len(argv) < 2 or argv[1] in _WITHOUT_SERVICES or {"-h", "--help"} & set(argv):
        return argv[1:2] == ["check"] and "--database" in argv
    return not (argv[1] == "makemigrations" and "--check" in argv)


def ensure_services() -> Membership | None:
    """Set `DATABASE_URL` and `REDIS_URL` to the embedded services where they are not set.

    The services run at least until this process ends. Returns our membership, `None` when the
    environment names both. Raises `ServicesError`.
    """
    if database_url() and redis_url():
        return None
    membership = join_services(state_dir())
    atexit.register(membership.leave)
    export_services(membership.services)
    return membership


def export_services(services: Services) -> None:
    """Write the URLs into this process's environment; those that are set there stay."""
    for name, url in (("DATABASE_URL", services.database_url), ("REDIS_URL", services.redis_url)):
        if not variables.is_given(name):
            os.environ[name] = url


def _with_password(url: str, password: str) -> str:
    """`url` with the password, unless it has one."""
    parts = urlsplit(url)
    if not url or not password or parts.password is not None:
        return url
    user, _at, host = parts.netloc.rpartition("@")
    return urlunsplit(parts._replace(netloc=f"{user}:{quote(password, safe='')}@{host}"))


def _read_size(place: str, value: object) -> int:
    if not str(value).isdigit():
        raise ConfigurationError(f"{place}={value!r}: write a whole number.")
    return int(str(value))


def _read_port(variable: str, netloc: str, url: str) -> int | str:
    try:
        return urlsplit(f"//{netloc}").port or ""
    except ValueError as error:
        raise ConfigurationError(
            f"{variable} is {_without_password(url)!r}: its port is not a number."
        ) from error


def _without_password(url: str) -> str:
    before, at, after = url.rpartition("@")
    return f"{before.partition('://')[0]}://...{at}{after}" if at else url
