"""The signs that matter in the report of an examination: as the reporter coded them, else as the text asserts them.

What was, what is planned, and what somebody else had does not count. The text itself stays inside the trust.
"""

import base64
import binascii
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple

from pydantic import ConfigDict, StringConstraints

from adapter.assertion import Resource
from adapter.csor.fields import Sign
from adapter.datafile import Positioned, hyphenated, load_model
from adapter.errors import ExitCode, Finding, Problem, ProblemCode, SetupError
from adapter.mapping.codelists import CodeLists
from adapter.mapping.concept_parts import codings_in, table_key
from adapter.mapping.csor_decided import Decider, Lineage, PartTrace, of_parts
from adapter.mapping.csor_outcome import Step, problem
from adapter.mapping.csor_rules import REPORT, As, FieldRule
from adapter.narrative import Mention, Reader
from adapter.narrative.passages import passages

Phrase = Annotated[str, StringConstraints(min_length=3)]


class CodedSign(Positioned):
    """A code by which a reporter asserts the sign."""

    system: str
    code: str
    display: str = ""


class SignTerms(Positioned):
    """One sign: the phrases that name it, and its codes."""

    model_config = ConfigDict(extra="forbid", frozen=True, alias_generator=hyphenated, populate_by_name=True)

    sign: Sign
    means: str
    phrases: tuple[Phrase, ...]
    codes: tuple[CodedSign, ...] = ()

    @property
    def place(self) -> str:
        return f"{Path(self._file).name}:{self._line}"


class SignTables(Positioned):
    """The file signs.yaml."""

    model_config = ConfigDict(extra="forbid", frozen=True, alias_generator=hyphenated, populate_by_name=True)

    kind: Literal["imaging-signs"]
    means: str
    conclusions: tuple[str, ...]
    """Headings of the section whose last word counts, where the report contradicts itself."""
    signs: tuple[SignTerms, ...]


class ReadReport(NamedTuple):
    """What one report says, in the order of `csor_rules.REPORT`."""

    text: str | None
    present: list[str] | None
    absent: list[str] | None
    uncertain: list[str] | None
    method: str
    problems: tuple[Problem, ...]


_COUNTS = ("present", "absent", "uncertain")
_LIMIT = 2_000


class Reports:
    """The terms and codes of signs, ready for use."""

    def __init__(self, tables: SignTables, *, codelists: CodeLists) -> None:
        self._codelists = codelists
        self._conclusions = {words.casefold() for words in tables.conclusions}
        self._terms: Mapping[str, SignTerms] = {each.sign: each for each in tables.signs}
        self._reader = Reader({each.sign: each.phrases for each in tables.signs})
        self._codes: dict[tuple[str, str], str] = {
            table_key(codelists, coded.system, coded.code): each.sign for each in tables.signs for coded in each.codes
        }
        self._read: dict[bytes, Mapping[str, str]] = {}
        """By digest: no report's text is kept for longer than it is read."""

    def decide(self, resource: Resource, _: Mapping[str, Resource] | None = None, __: str | None = None) -> ReadReport:
        """Everything the row needs of one DiagnosticReport."""
        text, problems = report_text(resource)
        coded = self._coded(resource)
        if coded:
            return ReadReport(text, coded, None, None, "coded", problems)
        signs = self.read(text) if text is not None else {}
        by_assertion = [sorted(sign for sign, said in signs.items() if said == one) or None for one in _COUNTS]
        present, absent, uncertain = by_assertion
        return ReadReport(text, present, absent, uncertain, "text" if signs else "none", problems)

    def read(self, text: str) -> Mapping[str, str]:
        """Sign → present, absent or uncertain, as the text as a whole says."""
        key = sha256(text.encode("utf-8", "surrogatepass")).digest()
        found = self._read.get(key)
        if found is None:
            if len(self._read) >= _LIMIT:
                self._read.clear()
            found = self._read[key] = self._judged(text)
        return found

    def _judged(self, text: str) -> Mapping[str, str]:
        mentions = [mention for mention in self._reader.read(text) if mention.assertion in _COUNTS]
        if not mentions:
            return {}
        sections = list(passages(text))
        starts = [section.start for section in sections]
        said: dict[str, list[Mention]] = {}
        concluded: dict[str, list[Mention]] = {}
        for mention in sorted(mentions, key=lambda each: each.start):
            section = sections[max(bisect_right(starts, mention.start) - 1, 0)]
            # What the request asks or plans is no finding, however the radiologist repeats it.
            if section.plain == "present":
                said.setdefault(mention.name, []).append(mention)
                if section.heading.casefold() in self._conclusions:
                    concluded.setdefault(mention.name, []).append(mention)
        return {sign: _judge(mentions, concluded.get(sign, ())) for sign, mentions in said.items()}

    def _coded(self, resource: Resource) -> list[str] | None:
        found = {
            self._codes.get(table_key(self._codelists, system, code))
            for _, system, code in self._conclusion_codes(resource)
        }
        return sorted(sign for sign in found if sign is not None) or None

    def trace(self, rule: FieldRule, resource: Resource, *_: object) -> Lineage:
        """Each sign leads to the line of its terms."""
        found = self.decide(resource)
        value: Any = found[REPORT.index(rule.as_)]
        if rule.as_ is As.REPORT_TEXT:
            step = "take" if text_path(resource) == "conclusion" else "text-of-attachment"
            return Lineage((text_path(resource),), (Step(step, "", str(value)),))
        if rule.as_ is As.SIGNS_METHOD:
            source = "conclusionCode" if found.method == "coded" else text_path(resource)
            return Lineage((source,), (Step("constant", "coded before text", str(value)),))
        return of_parts([PartTrace(f"[{n}]", *self._sign(sign, resource)) for n, sign in enumerate(value or ())])

    def _sign(self, sign: str, resource: Resource) -> tuple[tuple[str, ...], tuple[Step, ...]]:
        terms = self._terms[sign]
        for place, system, code in self._conclusion_codes(resource):
            if self._codes.get(table_key(self._codelists, system, code)) == sign:
                return (place,), (Step("sign", terms.place, sign),)
        return (text_path(resource),), (Step("sign", terms.place, sign),)

    def _conclusion_codes(self, resource: Resource) -> Iterator[tuple[str, str, str]]:
        concepts = resource.get("conclusionCode")
        for number, concept in enumerate(concepts if isinstance(concepts, list) else ()):
            for place, system, code in codings_in(concept):
                yield f"conclusionCode[{number}].{place}", system, code


def _judge(said: Sequence[Mention], concluded: Sequence[Mention]) -> str:
    """One voice counts; else the last word of the conclusion; else it is left open."""
    voices = {mention.assertion for mention in said}
    if len(voices) == 1:
        return said[0].assertion
    return concluded[-1].assertion if concluded else "uncertain"


def report_text(resource: Resource) -> tuple[str | None, tuple[Problem, ...]]:
    """The conclusion, else the plain text attached to the report."""
    conclusion = resource.get("conclusion")
    if isinstance(conclusion, str) and conclusion.strip():
        return conclusion, ()
    for form in _attached(resource):
        try:
            return base64.b64decode(form["data"], validate=True).decode("utf-8"), ()
        except (binascii.Error, UnicodeDecodeError, TypeError, ValueError):
            text = "the attached text cannot be decoded"
            return None, problem(ProblemCode.UNDECODABLE_TEXT, text, at="DiagnosticReport.presentedForm")
    return None, ()


def text_path(resource: Resource) -> str:
    """Where the text of a report was read."""
    conclusion = resource.get("conclusion")
    is_concluded = isinstance(conclusion, str) and bool(conclusion.strip())
    return "conclusion" if is_concluded or not _attached(resource) else "presentedForm.data"


def _attached(resource: Resource) -> list[dict[str, Any]]:
    forms = resource.get("presentedForm")
    return [
        form
        for form in (forms if isinstance(forms, list) else ())
        if isinstance(form, dict) and str(form.get("contentType", "")).startswith("text/plain") and form.get("data")
    ]


def reports_decider(reports: Reports) -> Decider:
    """The fields of one report."""
    conversions = frozenset(REPORT)
    return Decider(conversions, reports.decide, lambda rule: REPORT.index(rule.as_), reports.trace, always=True)


def load_reports(path: Path, *, codelists: CodeLists) -> Reports:
    """Reads signs.yaml; SetupError with all faults."""
    tables = load_model(path, SignTables, exit_code=ExitCode.MAPPING)
    findings = tuple(_faults(tables.signs, codelists))
    if findings:
        raise SetupError("the table of signs cannot be used", findings=findings, exit_code=ExitCode.MAPPING)
    return Reports(tables, codelists=codelists)


def _faults(signs: Iterable[SignTerms], codelists: CodeLists) -> Iterable[Finding]:
    seen: set[str] = set()
    for each in signs:
        if each.sign in seen:
            yield Finding(file=each._file, line=each._line, column=1, text=f'"{each.sign}" stands here twice')
        seen.add(each.sign)
        for coded in each.codes:
            if codelists.normal(coded.system, coded.code) is None:
                text = f"{coded.code} is not a code of {coded.system}"
                yield Finding(file=coded._file, line=coded._line, column=1, text=text)
