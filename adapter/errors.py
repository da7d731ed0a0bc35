"""The one tree of errors, and the findings about data that are not errors.

    AdapterError
    ├── SetupError          refuse to start; carries Findings with file and line   (exit code 10–19)
    ├── MessageError        this message will never pass: park it, go on           (the sender got AA: it is on disk)
    │   ├── Unparsable      └── IdentityConflict (inside one message)
    ├── SourceError         a server that is polled did not give what it was asked for
    │   ├── NotNow          ask it again later
    │   ├── PagingExpired   the links of this search lead nowhere any more: begin the search again
    │   ├── Declined        it will not answer this search: the other searches go on
    │   └── Halted          not to be asked again before a person has looked
    └── DeliveryError
        ├── TryLater        CSOR surely did not take it: retry with back-off
        ├── Unsure          it may have arrived: retry only with the same idempotency key
        └── Refused         CSOR said no: park, show to a person

Branches differ by what the operator or the loop must do. No text here ever holds a value of a patient's field.
"""

from dataclasses import dataclass
from enum import IntEnum, StrEnum


class ExitCode(IntEnum):
    """What a sender of a command can read without logs."""

    FILES_FAILED = 1
    """Some of the files or rows asked for could not be done; the others were."""
    USAGE = 2
    ALARM = 3
    """All was done; something that was found needs a person."""
    CONFIG = 10
    """A configuration or trust file is wrong."""
    MAPPING = 11
    """A mapping, code list or vendor file is wrong."""
    SEALING = 12
    """The sealing key is missing or is not the one the data were sealed with."""
    LOCKED = 13
    """Another instance holds the data folder."""
    STORE = 14
    """The store cannot be opened, or its schema is of another version."""


class ProblemCode(StrEnum):
    """The closed list of what can be wrong with one value, resource or message. The text says it in words."""

    # the whole message
    NO_MSH = "P001"
    TRUNCATED_FRAME = "P002"
    TOO_LARGE = "P003"
    NOT_DECODABLE = "P004"
    UNKNOWN_TYPE = "P005"
    EMPTY = "P006"
    NOT_JSON = "P007"
    NOT_FHIR = "P008"
    CRASHED_THREE_TIMES = "P009"
    BATCH_COUNT = "P010"
    DUPLICATE_CONTROL_ID = "P011"
    NOT_TAKEN = "P012"
    UNSUPPORTED_VERSION = "P013"
    # one resource or segment
    BAD_RESOURCE = "P020"
    UNKNOWN_MODIFIER_EXTENSION = "P021"
    UNRESOLVED_REFERENCE = "P022"
    MISSING_REQUIRED = "P023"
    NO_VISIT_NUMBER = "P024"
    TOO_MANY = "P025"
    # one value
    BAD_TIME = "P101"
    AMBIGUOUS_HOUR = "P102"
    MISSING_HOUR = "P103"
    NOT_A_NUMBER = "P114"
    UNKNOWN_UNIT = "P115"
    UNKNOWN_CODE = "P116"
    WRONG_SPECIMEN = "P117"
    UNKNOWN_SPECIMEN = "P118"
    IMPLAUSIBLE = "P119"
    AMBIGUOUS_VALUE = "P120"
    SYSTEM_INFERRED = "P121"
    UNDECODABLE_TEXT = "P122"
    SOURCES_DISAGREE = "P123"
    STATUSES_DISAGREE = "P124"
    BAD_DOCUMENT = "P125"
    ORDER_NOT_TOLD = "P126"
    # identity
    TWO_NHS_NUMBERS = "P201"
    MOTHERS_NUMBER = "P202"
    NO_IDENTIFIER = "P203"
    BAD_NHS_NUMBER = "P204"
    BIRTH_DATES_DIFFER = "P205"
    SEX_CONTRADICTS = "P206"
    SELF_MERGE = "P207"
    REVERSED_MERGE = "P208"
    NUMBER_SHARED = "P209"
    FOREIGN_AUTHORITY = "P210"
    NUMBER_REUSED = "P211"
    STILL_ONE = "P212"
    NUMBER_IN_USE = "P213"
    RECORD_DELETED = "P214"
    # the child
    FEMALE_WITH_VALVES = "P301"
    FIRST_SEEN_LATE = "P302"
    EXOMPHALOS_AND_GASTROSCHISIS = "P303"
    EVIDENCE_CONTRADICTS = "P304"
    AGE_UNKNOWN = "P305"
    SEX_UNKNOWN = "P306"


HOLDING = frozenset(
    {
        ProblemCode.UNKNOWN_CODE,
        ProblemCode.UNKNOWN_UNIT,
        ProblemCode.UNKNOWN_SPECIMEN,
        ProblemCode.WRONG_SPECIMEN,
        ProblemCode.AMBIGUOUS_VALUE,
    }
)
"""A person must map or decide before a row with one of these may leave."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """Something about the data that a person should see. Bad data is not an exception: problems are collected."""

    code: ProblemCode
    text: str
    """In words, and what to do; never the value of a patient's field."""
    at: str = ""
    """Where: `OBX[3]-5.1`, a JSON pointer, or `file:line:column`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """Something wrong with a file that people write: a mapping, a code list, a configuration."""

    file: str
    line: int
    """From 1; 0 where the file as a whole is meant."""
    column: int
    text: str
    source_line: str = ""
    hint: str = ""
    """"did you mean …" or what to do."""

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}:{self.column}" if self.line else self.file
        shown = [f"{place}: {self.text}"]
        if self.source_line:
            shown += [f"    {self.source_line}", "    " + " " * (self.column - 1) + "^"]
        if self.hint:
            shown.append(f"    {self.hint}")
        return "\n".join(shown)


class AdapterError(Exception):
    """Anything the adapter itself raises."""


class SetupError(AdapterError):
    """The service must not start. `findings` name every fault at once, not only the first."""

    def __init__(self, text: str, *, findings: tuple[Finding, ...] = (), exit_code: ExitCode = ExitCode.CONFIG) -> None:
        super().__init__("\n".join([text, *map(str, findings)]))
        self.findings = findings
        self.exit_code = exit_code


class MessageError(AdapterError):
    """This message will never pass: park it and go on."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(f"{problem.code}: {problem.text}" + (f" at {problem.at}" if problem.at else ""))
        self.problem = problem


class Unparsable(MessageError):
    """The bytes are not a message in the language they claim."""


class IdentityConflict(MessageError):
    """One message contradicts itself about who the patient is."""


class SourceFault(StrEnum):
    """What was wrong with a server that is polled: what stands in `status`, logs and counters."""

    SETUP = "setup"
    """Its settings cannot be used."""
    UNREACHABLE = "unreachable"
    TOO_SLOW = "too-slow"
    TOO_LARGE = "too-large"
    BROKEN_BODY = "broken-body"
    NOT_A_SEARCHSET = "not-a-searchset"
    BUSY = "busy"
    """It asks for fewer requests, or for none now."""
    SERVER_ERROR = "server-error"
    REDIRECT = "redirect"
    UNAUTHORISED = "unauthorised"
    NO_TOKEN = "no-token"
    CLOCK_SKEW = "clock-skew"
    """Signing in failed, and the clocks differ."""
    NO_SCOPE = "no-scope"
    """It has not granted us to read this type."""
    REFUSED = "refused"
    NOT_FOUND = "not-found"
    DENIED = "denied"
    """It will not show us this."""
    PERSON = "person"
    """Denied in a way that asking again makes worse: a person has to look."""
    MERGED = "merged"
    """The patient lives on under another id."""
    GONE = "gone"
    """Deleted there."""
    PAUSED = "paused"
    """Nothing of this type before the next local day."""
    INCOMPLETE = "incomplete"
    """It says that it does not show all."""
    OTHER_PATIENT = "other-patient"
    """Something of somebody else stood among what is one patient's."""
    UNFILTERED = "unfiltered"
    """It did not use a parameter of ours."""
    PAGE_LIMIT = "page-limit"
    """There are more pages than we are to read."""
    PAGING_EXPIRED = "paging-expired"
    ENDLESS_PAGING = "endless-paging"
    LINK_ELSEWHERE = "link-elsewhere"
    DAILY_LIMIT = "daily-limit"
    BLACKOUT = "blackout"
    """Hours in which it is not to be asked."""
    STOPPED = "stopped"
    """By us."""


class SourceError(AdapterError):
    """A server that is polled did not give what it was asked for. The text holds nothing the server wrote freely."""

    def __init__(self, fault: SourceFault, text: str) -> None:
        super().__init__(text)
        self.fault = fault
        self.told = b""
        """What the server wrote about it, word for word: sealed or nowhere, for it may name the patient."""


class NotNow(SourceError):
    """Ask it again later. `is_brief`: it may pass within seconds."""

    def __init__(
        self, fault: SourceFault, text: str, *, is_brief: bool = False, retry_after_s: float | None = None
    ) -> None:
        super().__init__(fault, text)
        self.is_brief = is_brief
        self.retry_after_s = retry_after_s


class PagingExpired(SourceError):
    """The links of this search lead nowhere any more: begin the search again."""


class Declined(SourceError):
    """It will not answer this search: the other searches go on.

    `code`: the server's own word for why, of a form that no patient's data has. `survivor`: the id under which a merged
    patient lives on, if the server said so.
    """

    def __init__(self, fault: SourceFault, text: str, *, code: str = "", survivor: str = "") -> None:
        super().__init__(fault, text)
        self.code = code
        self.survivor = survivor


class Halted(SourceError):
    """Not to be asked again before a person has looked."""


class DeliveryError(AdapterError):
    """A batch did not get a receipt."""


class TryLater(DeliveryError):
    """CSOR surely did not take it: retry with back-off."""

    def __init__(self, text: str, *, retry_after_s: float | None = None) -> None:
        super().__init__(text)
        self.retry_after_s = retry_after_s


class Unsure(DeliveryError):
    """It may have arrived: retry only the same bytes under the same idempotency key."""


class Refused(DeliveryError):
    """CSOR said no: park it and show it to a person."""
