"""Second factors: sealed in the database, and asked of whom `SECOND_FACTOR` names."""

import logging
from collections.abc import Callable

from allauth.account.authentication import get_authentication_records
from allauth.mfa.adapter import DefaultMFAAdapter, get_adapter
from allauth.mfa.models import Authenticator
from django.conf import settings
from django.contrib.auth.models import AnonymousUser, User
from django.core.exceptions import ValidationError
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.translation import gettext as _

from reviewqueue.htmx import go_to
from reviewqueue.sealing import SealError, reseal, seal, unseal
from reviewqueue.sign_ins import note_taken_away
from reviewqueue.stream_admins import opens_admin

logger = logging.getLogger(__name__)

PURPOSE = "second factors"
# What `data` of an authenticator holds sealed.
SEALED = ("secret", "seed")
# The pages on which one is set up; the API asks for keys, not for people.
OPEN = ("accounts/", "api/")
SECOND_PROOFS = ("mfa", "socialaccount")


class ClosedFactorError(ValidationError):
    """None of WEBHOOK_KEYS opens a second factor; add the key that sealed it, or take it away.

    A `ValidationError`, so that a form that asks for a code shows the words at it.
    """

    def __init__(self) -> None:
        super().__init__(
            _(
                "Your codes can no longer be checked. An administrator can take the second factor "
                "away; then set it up anew."
            )
        )


class SecondFactorAdapter(DefaultMFAAdapter):  # type: ignore[misc]  # allauth is untyped
    """Who copies the database can make no codes; who needs a second factor cannot drop it."""

    def encrypt(self, text: str) -> str:
        return seal(text, PURPOSE)

    def decrypt(self, encrypted_text: str) -> str:
        """The text of `encrypt`. Raises `ClosedFactorError` where no key fits."""
        try:
            return unseal(encrypted_text, PURPOSE)
        except SealError as error:
            logger.warning(
                "no key of WEBHOOK_KEYS opens a second factor: add the one that sealed it, or take "
                "the factor away; manage.py reseal_webhooks names whose"
            )
            raise ClosedFactorError from error

    def can_delete_authenticator(self, authenticator: Authenticator) -> bool:
        return not needs_second_factor(authenticator.user)

    def build_totp_svg(self, url: str) -> str:
        """The code as an element of the page, without the head of a file of its own."""
        drawn: str = super().build_totp_svg(url)
        return drawn[drawn.index("<svg") :].replace(
            "<svg", '<svg aria-hidden="true" focusable="false"', 1
        )


class RequireSecondFactor:
    """Until whoever needs a second factor has one, every page leads to where it is set up.

    Whom the directory vouched for is its to ask for one. Pages that cannot open a second factor
    lead to the account's, which says so.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)

    def process_view(self, request: HttpRequest, *_view: object) -> HttpResponse | None:
        """The way to the set-up, or None for the page that was asked for."""
        if settings.SECOND_FACTOR == "optional" or _is_open(request):
            return None
        if not needs_second_factor(request.user) or _has_proof(request):
            return None
        return go_to(request, f"{reverse('mfa_activate_totp')}?required=1")

    def process_exception(self, request: HttpRequest, error: Exception) -> HttpResponse | None:
        """The way to the account's page where a second factor is closed, or None."""
        if not isinstance(error, ClosedFactorError):
            return None
        return go_to(request, f"{reverse('account')}#second-factor")


def needs_second_factor(user: User | AnonymousUser) -> bool:
    """Whether `SECOND_FACTOR` names the person."""
    if not user.is_authenticated or settings.SECOND_FACTOR == "optional":
        return False
    return settings.SECOND_FACTOR == "all" or user.is_superuser or opens_admin(user)


def remove_second_factor(*, user: User, by: str) -> bool:
    """Take away what a sign-in asks beside the password, at the word of the person named `by`.

    Returns whether there was anything.
    """
    removed, _by_model = Authenticator.objects.filter(user=user).delete()
    if removed:
        note_taken_away(user, by)
    return bool(removed)


@transaction.atomic
def reseal_second_factors() -> tuple[int, list[str]]:
    """Seal all under the first key; how many, and the names of people whose no key opens."""
    done, closed = 0, []
    found = Authenticator.objects.select_for_update(of=("self",)).select_related("user")
    for authenticator in found.order_by("id"):
        sealed = {name: authenticator.data[name] for name in SEALED if name in authenticator.data}
        try:
            anew = {name: reseal(token, PURPOSE) for name, token in sealed.items()}
        except SealError:
            closed.append(authenticator.user.username)
            continue
        authenticator.data |= anew
        authenticator.save(update_fields=["data"])
        done += 1
    return done, closed


def _is_open(request: HttpRequest) -> bool:
    match = request.resolver_match
    return match is not None and match.route.startswith(OPEN)


def _has_proof(request: HttpRequest) -> bool:
    records = get_authentication_records(request, request.user)
    if any(record["method"] in SECOND_PROOFS for record in records):
        return True
    has: bool = get_adapter().is_mfa_enabled(request.user, [Authenticator.Type.TOTP])
    return has
