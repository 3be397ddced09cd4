"""Sign-ins in the log: who came, who failed, who was locked out; no password, no code, no guess.

A name that nobody has is not written down: people type passwords into the wrong field.
"""

import logging
from typing import Any

from allauth.account.adapter import get_adapter
from allauth.account.signals import password_changed
from allauth.mfa import signals as second_factor_signals
from django.contrib.auth.models import User
from django.contrib.auth.signals import user_logged_in, user_logged_out, user_login_failed
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest

logger = logging.getLogger(__name__)

UNKNOWN = "an unknown name"


def watch_sign_ins() -> None:
    """Write a line for every sign-in from now on; called once, when Django is ready."""
    user_logged_in.connect(_note_sign_in)
    user_logged_out.connect(_note_sign_out)
    user_login_failed.connect(_note_failure)
    password_changed.connect(_note_password)
    second_factor_signals.authentication_failed.connect(_note_wrong_code)
    second_factor_signals.authenticator_added.connect(_note_added)
    second_factor_signals.authenticator_removed.connect(_note_removed)
    second_factor_signals.authenticator_reset.connect(_note_reset)


def note_lock_out(request: HttpRequest, name: str) -> None:
    """Too many tries, by the account or by the address."""
    logger.warning("locked out: %s from %s", _known(name), _address(request))


def note_too_many(request: HttpRequest) -> None:
    """An address or a person asked an account page too often."""
    logger.warning("too many requests for %s from %s", request.path, _address(request))


def note_stranger(request: HttpRequest) -> None:
    """The directory vouched for somebody who has no account here."""
    logger.warning("no account for whom the directory sent, from %s", _address(request))


def note_forgotten(user: User) -> None:
    """An address that the directory never verified was emptied."""
    logger.warning("unverified address of %s forgotten", user.username)


def note_taken_away(user: User, by: str) -> None:
    """An administrator took somebody's second factor away."""
    logger.warning("second factor of %s taken away by %s", user.username, by)


def _note_sign_in(request: HttpRequest, user: User, **_signal: Any) -> None:
    logger.info("signed in: %s from %s", user.username, _address(request))


def _note_sign_out(request: HttpRequest, user: User | None, **_signal: Any) -> None:
    if user is not None:
        logger.info("signed out: %s from %s", user.username, _address(request))


def _note_failure(
    credentials: dict[str, Any], request: HttpRequest | None = None, **_signal: Any
) -> None:
    name = _known(str(credentials.get("username", "")))
    logger.warning("wrong password: %s from %s", name, _address(request))


def _note_wrong_code(request: HttpRequest, user: User, **_signal: Any) -> None:
    logger.warning("wrong code: %s from %s", user.username, _address(request))


def _note_password(request: HttpRequest, user: User, **_signal: Any) -> None:
    logger.info("password changed: %s from %s", user.username, _address(request))


def _note_added(request: HttpRequest, user: User, authenticator: Any, **_signal: Any) -> None:
    _note_second_factor("on", request, user, authenticator)


def _note_removed(request: HttpRequest, user: User, authenticator: Any, **_signal: Any) -> None:
    _note_second_factor("off", request, user, authenticator)


def _note_reset(request: HttpRequest, user: User, authenticator: Any, **_signal: Any) -> None:
    _note_second_factor("made anew", request, user, authenticator)


def _note_second_factor(what: str, request: HttpRequest, user: User, authenticator: Any) -> None:
    logger.info("%s %s: %s from %s", authenticator.type, what, user.username, _address(request))


def _known(name: str) -> str:
    return name if name and User.objects.filter(username=name).exists() else UNKNOWN


def _address(request: HttpRequest | None) -> str:
    if request is None:
        return "no address"
    try:
        return str(get_adapter().get_client_ip(request))
    except PermissionDenied:  # a socket has none
        return "no address"
