"""Puts into the conditions of a mapping set what they only name: classes of orders, and the codes of tables."""

import difflib
from collections.abc import Iterable, Mapping

from adapter.errors import Finding
from adapter.mapping.rules import Block, Condition, FieldRule, OrderClass
from adapter.mapping.v2_reader import Table


class Names:
    """The classes and tables that conditions may name. What is not there becomes a finding."""

    def __init__(self, classes: Iterable[OrderClass], tables: Mapping[str, Table], findings: list[Finding]) -> None:
        self._classes = {each.name: each for each in classes}
        self._tables = tables
        self._findings = findings

    def resolved(self, block: Block) -> Block:
        """The block with conditions that stand for themselves."""
        fields = tuple(
            rule.model_copy(update={"when": self._all(rule.when, rule)}) if rule.when else rule for rule in block.fields
        )
        when, item_when = self._all(block.when, block), self._all(block.item_when, block)
        return block.model_copy(update={"fields": fields, "when": when, "item_when": item_when})

    def _all(self, tests: Iterable[Condition], at: Block | FieldRule) -> tuple[Condition, ...]:
        return tuple(self._one(test, at) for test in tests)

    def _one(self, test: Condition, at: Block | FieldRule) -> Condition:
        name = test.is_ or test.is_not
        if name is not None:
            found = self._classes.get(name)
            if found is None:
                self._findings.append(_unknown("class of orders", name, self._classes, at))
                return test
            tests = self._all(found.any_of, at)
            test = test.model_copy()
            test._class = tests
            return test
        if test.any_of or test.none_of:
            inner = {"any_of": self._all(test.any_of, at), "none_of": self._all(test.none_of, at)}
            return test.model_copy(update=inner)
        return test if test.in_table is None else self._with_codes(test, test.in_table, at)

    def _with_codes(self, test: Condition, table: str, at: Block | FieldRule) -> Condition:
        if table not in self._tables:
            self._findings.append(_unknown("table", table, self._tables, at))
            return test
        test = test.model_copy()
        test._codes = frozenset(self._tables[table])
        return test


def _unknown(what: str, name: str, known: Iterable[str], at: Block | FieldRule) -> Finding:
    close = difflib.get_close_matches(name, sorted(known), n=1)
    hint = f'did you mean "{close[0]}"?' if close else ""
    return Finding(file=at._file, line=at._line, column=at._column or 1, text=f'no {what} "{name}"', hint=hint)
