"""OURS? Which messages to keep, which children have a condition of the register, and why. Pure."""

from adapter.cohort.eligibility import CaseState, State, judge
from adapter.cohort.evidence import Coded, Evidence
from adapter.cohort.opt_out import Consequence, OptOut, consequence
from adapter.cohort.rules import CodeRows, CohortRules, can_confirm, load_rules
from adapter.cohort.triage import Reason, Triage, TriageFacts, TriageRules, triage

__all__ = [
    "CaseState",
    "CodeRows",
    "Coded",
    "CohortRules",
    "Consequence",
    "Evidence",
    "OptOut",
    "Reason",
    "State",
    "Triage",
    "TriageFacts",
    "TriageRules",
    "can_confirm",
    "consequence",
    "judge",
    "load_rules",
    "triage",
]
