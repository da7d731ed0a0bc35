"""OURS? Which messages to keep, which children have a condition of the register, and why. Pure."""

from adapter.cohort.codes import Code, CodeRows, Normalise, can_confirm
from adapter.cohort.eligibility import CaseState, State, judge
from adapter.cohort.evidence import Evidence
from adapter.cohort.opt_out import Consequence, OptOut, consequence
from adapter.cohort.reading import Coded, Noted, Standing, Told
from adapter.cohort.rules import CohortRules, NecScope, load_rules, load_triage
from adapter.cohort.triage import Reason, Triage, TriageFacts, TriageRules, triage

__all__ = [
    "CaseState",
    "Code",
    "CodeRows",
    "Coded",
    "CohortRules",
    "Consequence",
    "Evidence",
    "NecScope",
    "Normalise",
    "Noted",
    "OptOut",
    "Reason",
    "Standing",
    "State",
    "Told",
    "Triage",
    "TriageFacts",
    "TriageRules",
    "can_confirm",
    "consequence",
    "judge",
    "load_rules",
    "load_triage",
    "triage",
]
