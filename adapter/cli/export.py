"""`csor-adapter export`: rows as files for analysts, one for each kind, with the data dictionary beside them.

What is written is what would leave: the pseudonym, the month of birth once, times as minutes from birth. The gate is
asked for each child as for a delivery into a folder (ruling R25).
"""

import csv
import getpass
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import typer

from adapter import config, disclosure
from adapter.chart import sealed
from adapter.cli.cells import in_a_cell
from adapter.cli.kept_rows import Chart, reading
from adapter.config import TrustSettings
from adapter.csor.dictionary import dictionary
from adapter.csor.payload import payload_names
from adapter.csor.record import field_leaves
from adapter.disclosure import Allowed, Birth, NumberClass, Objection, Peer, PeerKind
from adapter.dispatch import Terms, record_text
from adapter.envelope import utc_us
from adapter.errors import ExitCode, SetupError
from adapter.service.assembly import open_ring, open_store, terms
from adapter.settle.projection import RowState
from adapter.store import audit


class Format(StrEnum):
    NDJSON = "ndjson"
    CSV = "csv"
    PARQUET = "parquet"


_HEAD = ("csor_id", "record_id", "version")
_PART = ".part"


class Exported(NamedTuple):
    """What was written."""

    rows: Counter[str]
    children: int
    withheld: Counter[str]
    """Children the gate kept back, by reason."""


def export(
    config_file: Annotated[Path, typer.Option("--config", help="The trust file.")],
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="A new or empty folder.")],
    form: Annotated[Format, typer.Option("--format", help="How rows are written.")] = Format.NDJSON,
) -> None:
    """Rows as they may leave, one file for each kind, and dictionary.csv. Audited; nothing identifies a child."""
    settings = config.load_trust(config_file)
    if out.exists() and any(out.iterdir()):
        raise SetupError(f"{out} is not empty: name a new folder", exit_code=ExitCode.USAGE)
    write = _writer(form)
    out.mkdir(parents=True, exist_ok=True)
    done = write_export(settings, out, write=write, form=form)
    for kind, count in sorted(done.rows.items()):
        typer.echo(f"{kind}.{form.value}: {count} rows")
    typer.echo(f"children: {done.children} written")
    for reason, count in sorted(done.withheld.items()):
        typer.echo(f"withheld: {count} children ({reason})")


def write_export(settings: TrustSettings, out: Path, *, write: Any, form: Format) -> Exported:
    """Gather, write, and put the export into the audit trail before its files get their names."""
    asked = terms(settings, made_by="export")
    rows: dict[str, list[dict[str, Any]]] = {}
    children, withheld = 0, Counter[str]()
    now = datetime.now(UTC)
    with reading(settings) as reader:
        for chart in reader.charts():
            reason = _withheld(chart, asked, now)
            if reason is not None:
                withheld[reason] += 1
                continue
            found = list(_disclosed(chart, asked))
            children += bool(found)
            for kind, row in found:
                rows.setdefault(kind, []).append(row)
    counts = Counter({kind: len(each) for kind, each in rows.items()})
    for kind, each in rows.items():
        write(out / f"{kind}.{form.value}{_PART}", columns(kind), each)
    _write_dictionary(out / f"dictionary.csv{_PART}")
    _audit(settings, counts, children=children, form=form, now=now)
    for part in sorted(out.glob(f"*{_PART}")):
        part.rename(part.with_suffix(""))
    return Exported(counts, children, withheld)


def columns(kind: str) -> list[str]:
    """The names of a kind's fields outside the trust, in the order of the dictionary."""
    names = (name for field, leaves in field_leaves(kind).items() for name in payload_names(field, leaves))
    return [*_HEAD, *names]


def _withheld(chart: Chart, asked: Terms, now: datetime) -> str | None:
    if not chart.person.published or chart.summary.release_after is not None:
        return "not published yet"
    if chart.person.blocked:
        return "blocked: who the child is stands in doubt"
    number = NumberClass(chart.summary.number)
    child = disclosure.Child(number=number, nation=asked.nation, objection=Objection.UNKNOWN)
    verdict = disclosure.gate(child, peer=Peer(kind=PeerKind.FOLDER), settings=asked.gate, today=now.date())
    return None if isinstance(verdict, Allowed) else verdict.reason.value


def _disclosed(chart: Chart, asked: Terms) -> Iterator[tuple[str, dict[str, Any]]]:
    birth = Birth.read(chart.summary.birth, timezone=asked.timezone)
    csor_id = (chart.person.csor_id or b"").decode()
    for kept in chart.rows:
        if kept.state is RowState.LIVE:
            head = {"csor_id": csor_id, "record_id": record_text(kept.row.record_id), "version": kept.row.version}
            yield kept.row.kind, head | disclosure.disclose(kept.row.kind, kept.content.fields, birth=birth)


def _audit(settings: TrustSettings, counts: Counter[str], *, children: int, form: Format, now: datetime) -> None:
    database = open_store(settings, migrate=False)
    ring = open_ring(settings)
    try:
        basis = settings.disclosure.legal_basis
        detail = {
            "who": getpass.getuser(),
            "format": form.value,
            "children": children,
            "rows": dict(counts),
            "legal_basis": basis.reference if basis else "test mode",
        }
        with database.write() as conn:
            audit.append(conn, key=ring.derived("audit"), at_us=utc_us(now), kind="export", detail=detail)
    finally:
        database.close()
        ring.close()


def _writer(form: Format) -> Any:
    if form is Format.NDJSON:
        return _write_ndjson
    if form is Format.CSV:
        return _write_csv
    try:
        from adapter.cli.parquet import write_parquet  # its library is large, and only this asks for it
    except ImportError:
        text = "Parquet needs a library that is not installed: pip install 'csor-adapter[parquet]'"
        raise SetupError(text, exit_code=ExitCode.USAGE) from None
    return write_parquet


def _write_ndjson(path: Path, names: Sequence[str], rows: Sequence[Mapping[str, Any]]) -> None:
    with path.open("wb") as file:
        for row in rows:
            file.write(sealed.ENCODER.encode(row) + b"\n")


def _write_csv(path: Path, names: Sequence[str], rows: Sequence[Mapping[str, Any]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(names)
        for row in rows:
            writer.writerow([in_a_cell(row.get(name)) for name in names])


def _write_dictionary(path: Path) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["row", "field", "means", "values", "availability"])
        for entry in dictionary():
            for name in entry.payload_fields:
                writer.writerow([entry.kind, name, entry.means, entry.values, "; ".join(entry.availability)])
