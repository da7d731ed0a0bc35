"""Which codes of an OperationOutcome may be repeated: those of FHIR's own lists, and a vendor's short numbers.

A server writes what it likes where a code belongs, also a patient's name or number. What stands on no list is no code.
"""

import re

SEVERITIES = frozenset({"fatal", "error", "warning", "information", "success"})
# FHIR R4 and R5, value set issue-type.
_TYPES = frozenset(
    {
        "invalid", "structure", "required", "value", "invariant", "security", "login", "unknown", "expired",
        "forbidden", "suppressed", "processing", "not-supported", "duplicate", "multiple-matches", "not-found",
        "deleted", "too-long", "code-invalid", "extension", "too-costly", "business-rule", "conflict",
        "limited-filter", "transient", "lock-error", "no-store", "exception", "timeout", "incomplete", "throttled",
        "informational", "success",
    }
)  # fmt: skip
# FHIR R4, code system operation-outcome, each after MSG_.
_DETAILS = frozenset(
    {
        "AUTH_REQUIRED", "BAD_FORMAT", "BAD_SYNTAX", "CANT_PARSE_CONTENT", "CANT_PARSE_ROOT", "CREATED", "DATE_FORMAT",
        "DELETED", "DELETED_DONE", "DELETED_ID", "DUPLICATE_ID", "ERROR_PARSING", "EXTERNAL_FAIL", "ID_INVALID",
        "ID_TOO_LONG", "INVALID_ID", "JSON_OBJECT", "LOCAL_FAIL", "NO_EXIST", "NO_MATCH", "NO_MODULE", "NO_SUMMARY",
        "OP_NOT_ALLOWED", "PARAM_CHAINED", "PARAM_INVALID", "PARAM_MODIFIER_INVALID", "PARAM_NO_REPEAT",
        "PARAM_UNKNOWN", "RESOURCE_EXAMPLE_PROTECTED", "RESOURCE_ID_FAIL", "RESOURCE_ID_MISMATCH",
        "RESOURCE_ID_MISSING", "RESOURCE_NOT_ALLOWED", "RESOURCE_REQUIRED", "RESOURCE_TYPE_MISMATCH", "SORT_UNKNOWN",
        "TRANSACTION_DUPLICATE_ID", "TRANSACTION_MISSING_ID", "UNHANDLED_NODE_TYPE", "UNKNOWN_CONTENT",
        "UNKNOWN_OPERATION", "UNKNOWN_TYPE", "UPDATED", "VERSION_AWARE", "VERSION_AWARE_CONFLICT", "VERSION_AWARE_URL",
        "WRONG_NS",
    }
)  # fmt: skip
# Epic's have four or five digits (2026-08-14); hospital numbers have more.
_NUMBER = re.compile(r"[0-9]{1,5}", re.ASCII)


def is_code(text: str) -> bool:
    """Whether it is one of FHIR's, or could be a vendor's number."""
    return text in _TYPES or (text.startswith("MSG_") and text[4:] in _DETAILS) or _NUMBER.fullmatch(text) is not None
