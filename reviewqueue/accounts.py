"""Accounts: made by administrators, entered with a password or through the house's directory."""

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from allauth.account import app_settings as account_settings
from allauth.account.adapter import DefaultAccountAdapter, get_adapter
from allauth.account.authentication import get_authentication_records
from allauth.account.models import EmailAddress
from allauth.core import context
from allauth.core.exceptions import ImmediateHttpResponse
from allauth.socialaccount.adapter import DefaultSocialAccountAdapter
from allauth.socialaccount.models import SocialAccount
from django.conf import settings
from django.contrib import messages
from django.contrib.auth.hashers import UNUSABLE_PASSWORD_PREFIX
from django.contrib.auth.models import User
from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.db.models.functions import Lower
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils.http import urlencode
from django.utils.translation import gettext as _

from reviewqueue.sign_ins import note_forgotten, note_lock_out, note_stranger

if TYPE_CHECKING:
    from allauth.socialaccount.models import SocialLogin


class AccountAdapter(DefaultAccountAdapter):  # type: ignore[misc]  # allauth is untyped
    """Nobody signs up; a sign-in of a moment ago is proof enough; lock-outs are logged."""

    def is_open_for_signup(self, request: HttpRequest) -> bool:  # noqa: ARG002
        return False

    def is_reauthentication_required(self, *, app: str) -> bool:  # noqa: ARG002
        """Whether the last proof of who this is, the sign-in itself included, is too long ago.

        Raises `ImmediateHttpResponse` for whom only the directory can vouch: allauth takes them
        at their word, here their session ends and they sign in again.
        """
        request = context.request
        records = get_authentication_records(request, request.user)
        last = max((record["at"] for record in records), default=0.0)
        if time.time() - last < account_settings.REAUTHENTICATION_TIMEOUT:
            return False
        if not self.get_reauthentication_methods(request.user):
            raise ImmediateHttpResponse(self._sign_in_again(request))
        return True

    def _sign_in_again(self, request: HttpRequest) -> HttpResponse:
        self.logout(request)
        messages.warning(request, _("This takes a fresh sign-in. Sign in again to go on."))
        return _lead_to(reverse("account_login"), request)

    def pre_authenticate(self, request: HttpRequest, **credentials: Any) -> None:
        try:
            super().pre_authenticate(request, **credentials)
        except ValidationError:
            note_lock_out(request, str(credentials.get("username", "")))
            raise


class DirectoryAdapter(DefaultSocialAccountAdapter):  # type: ignore[misc]  # allauth is untyped
    """Whom the directory knows enters the account of the same verified e-mail address.

    From then on the directory's own id leads there, whatever becomes of the address. The local
    password stays, so that an administrator gets in while the directory is away.
    """

    def save_user(self, request: HttpRequest, sociallogin: "SocialLogin", form: Any = None) -> User:
        """A new account with verified addresses only: the next person of an address gets in."""
        proven = [one for one in sociallogin.email_addresses if one.verified is True]
        if sociallogin.user.email.lower() not in {one.email.lower() for one in proven}:
            sociallogin.user.email = ""
        sociallogin.email_addresses = proven
        made: User = super().save_user(request, sociallogin, form)
        return made

    def pre_social_login(self, request: HttpRequest, sociallogin: "SocialLogin") -> None:
        if sociallogin.is_existing:
            return
        for one in sociallogin.email_addresses:
            # Some directories send the text "false", which is no falsehood.
            one.verified = one.verified is True
        emails = [one.email for one in sociallogin.email_addresses if one.verified]
        found = _people_at_exactly(emails)
        if len(found) == 1:
            sociallogin.connect(request, found[0])
        elif found or not self.is_open_for_signup(request, sociallogin):
            note_stranger(request)
            raise ImmediateHttpResponse(
                render(request, "socialaccount/no_account.html", status=403)
            )

    def is_open_for_signup(
        self,
        request: HttpRequest,  # noqa: ARG002
        sociallogin: "SocialLogin",
    ) -> bool:
        """Only where accounts are made by the directory, and for addresses that nobody has."""
        emails = [one.email for one in sociallogin.email_addresses]
        # allauth keeps the address that an account of the directory came with beside the account.
        kept = EmailAddress.objects.annotate(lowered=Lower("email")).filter(
            lowered__in=[email.lower() for email in emails]
        )
        taken = _people_at(emails).exists() or kept.exists()
        return bool(settings.OIDC_MAKES_ACCOUNTS) and not taken


def people_at_unverified_addresses() -> QuerySet[User]:
    """Accounts that the directory made with an address that it did not call verified.

    Such an address was once kept. An account that has a password was made here, by somebody who
    vouches for its address.
    """
    verified = EmailAddress.objects.filter(
        user=OuterRef("pk"), verified=True, email__iexact=OuterRef("email")
    )
    made_by_directory = Exists(SocialAccount.objects.filter(user=OuterRef("pk")))
    without_password = User.objects.filter(password__startswith=UNUSABLE_PASSWORD_PREFIX)
    return without_password.filter(made_by_directory, ~Exists(verified)).exclude(email="")


@transaction.atomic
def forget_addresses(people: QuerySet[User]) -> int:
    """Empty the addresses of these people and drop what was noted of them; how many had one.

    Who owns such an address gets an account of their own from then on.
    """
    found = list(people.select_for_update(of=("self",)).order_by("pk"))
    EmailAddress.objects.filter(user__in=found, verified=False).delete()
    User.objects.filter(pk__in=[person.pk for person in found]).update(email="")
    for person in found:
        note_forgotten(person)
    return len(found)


def ask_for_proof(request: HttpRequest) -> HttpResponse | None:
    """The way to the page that asks who this is, and back here; None after a fresh sign-in.

    What was posted is dropped: allauth would keep it in the session, and it may be a password.
    """
    adapter = get_adapter()
    if not adapter.is_reauthentication_required(app="admin"):
        return None
    return _lead_to(adapter.get_reauthentication_methods(request.user)[0]["url"], request)


def _lead_to(page: str, request: HttpRequest) -> HttpResponse:
    return HttpResponseRedirect(f"{page}?{urlencode({'next': request.get_full_path()})}")


def _people_at_exactly(emails: Sequence[str]) -> list[User]:
    """Whose address is one of these but for the case.

    PostgreSQL compares in capitals, where a dotless i is an i and a long s an s; Python's small
    letters tell them apart, `casefold` would not.
    """
    wanted = {email.lower() for email in emails}
    return [person for person in _people_at(emails) if person.email.lower() in wanted]


def _people_at(emails: Sequence[str]) -> QuerySet[User]:
    same = Q(pk__in=[])
    for email in emails:
        same |= Q(email__iexact=email)
    return User.objects.filter(same)
