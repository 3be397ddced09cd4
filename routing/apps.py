"""Django's name for the package."""

from django.apps import AppConfig


class RoutingConfig(AppConfig):
    name = "routing"
