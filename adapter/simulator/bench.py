"""The laboratory at work: one patient's samples, their reports, preliminary values and corrections."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from random import Random

from adapter.simulator.catalogue import PANEL_WORDS, PANELS, SAMPLED
from adapter.simulator.course import LabTest, Order, OrderReport, Report, Value
from adapter.simulator.moments import after
from adapter.simulator.numbers import NumberBook
from adapter.simulator.physiology import Physiology
from adapter.simulator.wards import Site

NOTES = (
    "Sample slightly haemolysed; potassium may be raised.",
    "Small sample; repeat if indicated, NEC.",
    "Telephoned to the ward.",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Bench:
    """Runs the samples of one patient at one site."""

    book: NumberBook
    rng: Random
    site: Site
    physiology: Physiology

    def sample(self, at: datetime, *, panels: tuple[str, ...], drawn: str = "venous") -> Iterator[Report]:
        """One sample: perhaps a preliminary report, the final one, and perhaps a correction."""
        done = tuple(self._order(at, panel=panel, drawn=drawn) for panel in panels)
        ready = after(at, minutes=self.rng.uniform(6, 15) if panels[0].startswith("GAS") else self.rng.uniform(40, 240))
        if self.rng.random() < 0.12:
            early = replace(self._measured_again(done[0]), status="P")
            yield Report(at=ready, orders=(early,))
            ready = after(ready, minutes=self.rng.uniform(12, 90))
        note = self.rng.choice(NOTES) if self.rng.random() < 0.06 else ""
        yield Report(at=ready, orders=done, note=note)
        if self.rng.random() < 0.05:
            again = self._measured_again(self.rng.choice(done))
            # Only the value that was wrong is sent again.
            corrected = replace(again, status="C", values=again.values[:1])
            yield Report(at=after(ready, hours=self.rng.uniform(1, 20)), orders=(corrected,))

    def _order(self, at: datetime, *, panel: str, drawn: str) -> OrderReport:
        order = Order(
            number=self.book.order_number(),
            panel=panel,
            panel_words=PANEL_WORDS[panel],
            specimen=SAMPLED.get(panel, drawn),
            collected_at=at,
        )
        tests = PANELS[self.site.dialect][panel]
        return OrderReport(order=order, status="F", values=tuple(self._value(test, at) for test in tests))

    def _measured_again(self, report: OrderReport) -> OrderReport:
        values = tuple(self._value(value.test, report.order.collected_at) for value in report.values)
        return replace(report, values=values)

    def _value(self, test: LabTest, at: datetime) -> Value:
        if test.analyte is None:
            return Value(test=test, number=f"{self.rng.uniform(0.5, 9.5):.{test.decimals}f}")
        drawn, least = self.physiology.measure(test.analyte, at, self.rng)
        factor = float(test.factor)
        if drawn < least:
            return Value(test=test, number=f"{least / factor:.{test.decimals}f}", comparator="<")
        # Adding zero makes a rounded minus zero a zero.
        return Value(test=test, number=f"{round(drawn / factor, test.decimals) + 0.0:.{test.decimals}f}")
