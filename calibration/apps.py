"""Django's name for the package."""

from django.apps import AppConfig


class CalibrationConfig(AppConfig):
    name = "calibration"
