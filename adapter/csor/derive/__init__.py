"""Rows that no single resource states: what many rows of one child say together. Pure functions over plain fields.

Every result is the same whatever the order of what is handed in; keys come from what is said first in time, never from
a count, so that a later message leaves the rows before it what they are.
"""

from adapter.csor.derive.birth import birth_facts
from adapter.csor.derive.courses import COURSE_GAP, courses
from adapter.csor.derive.examinations import examination
from adapter.csor.derive.outcomes import Course, outcomes
from adapter.csor.derive.rules import OutcomeRules
from adapter.csor.derive.stated import Derived, Stated
from adapter.csor.derive.theatre import index_operations
from adapter.csor.derive.wards import ward_stays

__all__ = [
    "COURSE_GAP",
    "Course",
    "Derived",
    "OutcomeRules",
    "Stated",
    "birth_facts",
    "courses",
    "examination",
    "index_operations",
    "outcomes",
    "ward_stays",
]
