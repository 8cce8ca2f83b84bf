"""Augmentation: policies, and the random changes that they draw for each photograph."""

from drkit.data.augmentation.drawing import Changes, draw
from drkit.data.augmentation.policy import LIGHT, MEDIUM, NONE, STRONG, TEMPLATE, Policy
from drkit.data.augmentation.policy_files import describe_policy, load_policy, policy_record

__all__ = [
    "LIGHT",
    "MEDIUM",
    "NONE",
    "STRONG",
    "TEMPLATE",
    "Changes",
    "Policy",
    "describe_policy",
    "draw",
    "load_policy",
    "policy_record",
]
