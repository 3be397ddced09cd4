"""The admin's pages for labels, samples and runs, and what they say beside a policy's fields."""

from calibration.admin.drift import DriftAlarmAdmin
from calibration.admin.policies import MeasuredPolicyAdmin
from calibration.admin.records import AuditDrawAdmin, FrameCountAdmin, GroundTruthAdmin, JobRunAdmin
from calibration.admin.runs import CalibrationRunAdmin

__all__ = [
    "AuditDrawAdmin",
    "CalibrationRunAdmin",
    "DriftAlarmAdmin",
    "FrameCountAdmin",
    "GroundTruthAdmin",
    "JobRunAdmin",
    "MeasuredPolicyAdmin",
]
