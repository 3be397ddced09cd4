"""The settings of production: cookies, headers and what Django's own check says of them."""

import json
import os
import subprocess
import sys

import pytest

from reviewqueue.embedded.processes import PROJECT

LONG = "Aq7-" * 16
PRODUCTION = {
    "HTTPS": "1",
    "ALLOWED_HOSTS": "queue.example.org",
    "CSRF_TRUSTED_ORIGINS": "https://queue.example.org",
    "TRUSTED_PROXY_COUNT": "1",
    "SECRET_KEY": "rZ3_kQ9vX1mB7tN5-pL2wY8cJ4hG6fD0sA3eU7iO1bV9x-gT6jR",
    "AUDIT_SECRET": LONG,
    "WEBHOOK_KEYS": LONG,
    "METRICS_TOKEN": LONG,
    "LOG_FORMAT": "json",
}


def run_manage(*command: str, **environment: str) -> subprocess.CompletedProcess[str]:
    kept = {name: os.environ[name] for name in ("PATH", "DATABASE_URL", "REDIS_URL")}
    return subprocess.run(
        [sys.executable, "manage.py", *command],
        env=kept | environment,
        cwd=PROJECT,
        capture_output=True,
        text=True,
        check=False,
    )


def read_settings(*names: str, **environment: str) -> dict[str, object]:
    program = (
        "import json; from django.conf import settings\n"
        f"print(json.dumps({{name: getattr(settings, name) for name in {names!r}}}))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        env=os.environ | {"DJANGO_SETTINGS_MODULE": "reviewqueue.settings"} | environment,
        cwd=PROJECT,
        capture_output=True,
        text=True,
        check=True,
    )
    return json.loads(done.stdout)  # type: ignore[no-any-return]


def test_production_passes_djangos_check() -> None:
    done = run_manage("check", "--deploy", "--fail-level", "INFO", **PRODUCTION)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "System check identified no issues (2 silenced).\n"


@pytest.mark.parametrize("missing", ["HTTPS", "TRUSTED_PROXY_COUNT", "SECRET_KEY"])
def test_check_names_what_production_lacks(missing: str) -> None:
    environment = {name: value for name, value in PRODUCTION.items() if name != missing}
    done = run_manage("check", "--deploy", "--fail-level", "WARNING", **environment)
    assert done.returncode == 1
    assert "WARNINGS:" in done.stderr


def test_cookies_are_for_this_host_alone_under_https() -> None:
    names = (
        "SESSION_COOKIE_NAME",
        "CSRF_COOKIE_NAME",
        "SESSION_COOKIE_SECURE",
        "CSRF_COOKIE_SECURE",
    )
    assert list(read_settings(*names, **PRODUCTION).values()) == [
        "__Host-sessionid",
        "__Host-csrftoken",
        True,
        True,
    ]
    assert list(read_settings(*names, HTTPS="0").values()) == [
        "sessionid",
        "csrftoken",
        False,
        False,
    ]


def test_cookies_are_out_of_reach_of_scripts_and_of_other_sites() -> None:
    names = ("SESSION_COOKIE", "CSRF_COOKIE")
    read = [f"{name}_{kind}" for name in names for kind in ("HTTPONLY", "SAMESITE")]
    assert list(read_settings(*read).values()) == [True, "Lax", True, "Lax"]


def test_transport_is_secured_under_https() -> None:
    names = ("SECURE_SSL_REDIRECT", "SECURE_HSTS_SECONDS", "SECURE_PROXY_SSL_HEADER")
    forwarded = ["HTTP_X_FORWARDED_PROTO", "https"]
    assert list(read_settings(*names, **PRODUCTION).values()) == [True, 31_536_000, forwarded]
    assert list(read_settings(*names, HTTPS="1", HSTS_SECONDS="60").values()) == [
        True,
        60,
        forwarded,
    ]
    assert list(read_settings(*names, HTTPS="0").values()) == [False, 0, None]


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("SECOND_FACTOR", "yes", "SECOND_FACTOR is 'yes': write optional or staff or all."),
        ("OIDC_ISSUER", "id.example", "OIDC_ISSUER is 'id.example': write its https:// address."),
    ],
)
def test_wrong_setting_says_what_to_write(name: str, value: str, words: str) -> None:
    done = run_manage("check", **{name: value})
    assert done.returncode == 1
    assert words in done.stderr
