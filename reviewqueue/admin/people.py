"""People: accounts, and what each may do on which stream."""

from typing import TYPE_CHECKING, Any, ClassVar

import allauth.account.admin
import allauth.mfa.admin
import allauth.socialaccount.admin
import allauth.usersessions.admin  # noqa: F401 - as the others, so that it can be unregistered
from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from allauth.socialaccount.models import SocialAccount, SocialApp, SocialToken
from allauth.usersessions.models import UserSession
from django import forms
from django.contrib import admin, messages
from django.contrib.admin.utils import unquote
from django.contrib.auth.admin import UserAdmin
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.decorators import method_decorator
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext
from django.views.decorators.debug import sensitive_post_parameters

from reviewqueue.accounts import ask_for_proof
from reviewqueue.models import Membership
from reviewqueue.second_factors import remove_second_factor
from reviewqueue.sessions import end_all_sessions
from routing.admin.filters import StreamFilter
from routing.admin.scope import InStream, record_change, record_removal, save_and_record

if TYPE_CHECKING:
    MembershipModelAdmin = admin.ModelAdmin[Membership]
    MembershipInlineBase = admin.TabularInline[Membership, Any]
    UserModelAdmin = UserAdmin[User]
else:
    MembershipModelAdmin = admin.ModelAdmin
    MembershipInlineBase = admin.TabularInline
    UserModelAdmin = UserAdmin


@admin.register(Membership)
class MembershipAdmin(InStream, MembershipModelAdmin):
    list_display = ("user", "role", "stream")
    list_filter = (StreamFilter, "role")
    list_select_related = ("user", "stream")
    search_fields = ("user__username", "user__email")
    autocomplete_fields = ("user",)

    def save_model(
        self,
        request: HttpRequest,
        obj: Membership,
        form: "forms.ModelForm[Membership]",
        change: bool,
    ) -> None:
        super().save_model(request, obj, form, change)
        record_change(request=request, form=form, created=not change)

    def delete_model(self, request: HttpRequest, obj: Membership) -> None:
        record_removal(request, obj)
        super().delete_model(request, obj)

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Membership]) -> None:
        for membership in queryset:
            record_removal(request, membership)
        super().delete_queryset(request, queryset)


class RolesInline(InStream, MembershipInlineBase):
    """Roles are given and taken, never changed, so the log says both."""

    model = Membership
    extra = 0

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:  # noqa: ARG002
        return False

    def get_queryset(self, request: HttpRequest) -> QuerySet[Membership]:
        found: QuerySet[Membership] = super().get_queryset(request)
        return found.select_related("stream", "user").order_by("stream__name", "user__username")


class RolesOfPersonInline(RolesInline):
    fk_name = "user"
    verbose_name_plural = _("roles on streams")


class RolesOnStreamInline(RolesInline):
    fk_name = "stream"
    autocomplete_fields = ("user",)
    verbose_name_plural = _("people")


admin.site.unregister(User)
# What an account holds is changed on its own page; secrets of directories come from settings.
admin.site.unregister(
    [Authenticator, EmailAddress, SocialAccount, SocialApp, SocialToken, UserSession]
)


@admin.register(User)
class PersonAdmin(UserModelAdmin):
    inlines: ClassVar = [RolesOfPersonInline]
    list_display = ("username", "email", "is_active", "is_staff", "is_superuser", "last_login")
    actions = ("take_second_factor", "sign_out")

    @admin.action(permissions=["change"], description=_("Take the second factor away"))
    def take_second_factor(
        self, request: HttpRequest, queryset: QuerySet[User]
    ) -> HttpResponse | None:
        """For whoever lost the phone and the recovery codes; one's own goes on the own page."""
        if proof := ask_for_proof(request):
            messages.warning(
                request,
                _("Nothing is taken away yet. Confirm that it is you, then choose it again."),
            )
            return proof
        taken = 0
        for person in self._changeable(request, queryset):
            if person == request.user:
                messages.warning(request, _("Your own is left: see to it on your account's page."))
            elif remove_second_factor(user=person, by=request.user.get_username()):
                self.log_change(request, person, _("Second factor taken away."))
                taken += 1
        words = ngettext("%(n)d second factor is gone.", "%(n)d second factors are gone.", taken)
        messages.success(request, words % {"n": taken})
        return None

    @admin.action(permissions=["change"], description=_("Sign out everywhere"))
    def sign_out(self, request: HttpRequest, queryset: QuerySet[User]) -> None:
        """For a lost laptop; closing the account does so as well."""
        people = self._changeable(request, queryset)
        ended = end_all_sessions(people=people)
        for person in people:
            self.log_change(request, person, _("Signed out everywhere."))
        words = ngettext("%(n)d session has ended.", "%(n)d sessions have ended.", ended)
        messages.success(request, words % {"n": ended})

    @method_decorator(sensitive_post_parameters())
    def user_change_password(
        self,
        request: HttpRequest,
        id: str,
        form_url: str = "",
    ) -> HttpResponse:
        """After a fresh proof; one's own password is changed where the old one is asked for."""
        person = self.get_object(request, unquote(id))
        if not self.has_change_permission(request, person):
            raise PermissionDenied
        if person == request.user and person.has_usable_password():
            return redirect("account_change_password")
        if proof := ask_for_proof(request):
            return proof
        response: HttpResponse = super().user_change_password(request, id, form_url)
        return response

    def has_view_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        """Who gives roles chooses from the names of people, and sees no more of them."""
        if super().has_view_permission(request, obj):
            return True
        match = request.resolver_match
        is_choosing = match is not None and match.url_name == "autocomplete"
        return is_choosing and request.user.has_perm("reviewqueue.add_membership")

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[User], search_term: str
    ) -> tuple[QuerySet[User], bool]:
        """By name alone for those who may not see people, so that no address can be felt for."""
        if request.user.has_perm("auth.view_user"):
            return super().get_search_results(request, queryset, search_term)
        return queryset.filter(is_active=True, username__icontains=search_term.strip()), False

    def _changeable(self, request: HttpRequest, people: QuerySet[User]) -> list[User]:
        return [person for person in people if self.has_change_permission(request, person)]

    def get_inlines(self, request: HttpRequest, obj: User | None) -> list[Any]:  # noqa: ARG002
        return [RolesOfPersonInline] if obj else []

    def get_readonly_fields(self, request: HttpRequest, obj: User | None = None) -> Any:
        """Only a superuser hands out what goes beyond a stream."""
        fixed = tuple(super().get_readonly_fields(request, obj))
        if request.user.is_superuser:
            return fixed
        return (*fixed, "is_superuser", "is_staff", "groups", "user_permissions")

    def has_change_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        may = super().has_change_permission(request, obj)
        return may and (obj is None or request.user.is_superuser or not obj.is_superuser)

    def has_delete_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        may = super().has_delete_permission(request, obj)
        return may and (obj is None or request.user.is_superuser or not obj.is_superuser)

    def save_formset(
        self,
        request: HttpRequest,
        form: "forms.ModelForm[User]",  # noqa: ARG002
        formset: Any,
        change: bool,  # noqa: ARG002
    ) -> None:
        save_and_record(request, formset)
