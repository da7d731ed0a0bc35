"""The demonstration's site: a folder with settings and keys, and the two programs that run in it.

Everything is on loopback and in test mode; the certificate is made here and trusted nowhere else.
"""

import ipaddress
import secrets
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from adapter import simulator
from adapter.errors import ExitCode, SetupError

HOST = "127.0.0.1"
FHIR_SITE = "epic"
"""The feed of the site whose record is also read over FHIR."""
_STOP_S = 30.0


class Site(NamedTuple):
    """Where things stand."""

    folder: Path
    mllp_ports: Mapping[str, int]
    """By feed."""
    fhir_base: str
    receiver_port: int

    @property
    def trust_file(self) -> Path:
        return self.folder / "trust.yaml"

    @property
    def receiver_file(self) -> Path:
        return self.folder / "receiver.yaml"

    @property
    def receiver_url(self) -> str:
        return f"https://{HOST}:{self.receiver_port}"

    @property
    def token(self) -> str:
        return (self.folder / "token").read_text()

    @property
    def fhir_token(self) -> str:
        return (self.folder / "fhir-token").read_text()


def new_token(folder: Path) -> str:
    """The bearer token of the simulated FHIR server, written for the adapter to read."""
    token = secrets.token_urlsafe(32)
    _secret(folder / "fhir-token", token)
    return token


def build(folder: Path, simulation: simulator.Simulation, *, fhir_base: str) -> Site:
    """Write settings, keys, certificate and the trust's own tables."""
    feeds = sorted({each.feed for each in simulation.sites})
    site = Site(folder, {feed: _free_port() for feed in feeds}, fhir_base, _free_port())
    _secret(folder / "master.key", secrets.token_hex(32))
    _secret(folder / "token", secrets.token_urlsafe(32))
    _certificate(folder)
    write_tables(folder, simulation)
    site.trust_file.write_text(_trust(site, simulation))
    site.receiver_file.write_text(_receiver(site))
    return site


def write_tables(folder: Path, simulation: simulator.Simulation) -> None:
    """The trust's own codes of laboratory, radiology and pharmacy; FHIR names some systems otherwise."""
    also = simulator.also_as_fhir
    (folder / "laboratory.csv").write_text(simulator.lab_codes_csv(also(simulation.lab_codes)))
    (folder / "imaging.csv").write_text(simulator.imaging_codes_csv(also(simulation.imaging_codes)))
    (folder / "drugs.csv").write_text(simulator.drugs_csv(simulation.drugs))


@contextmanager
def running(site: Site) -> Iterator[None]:
    """The receiver and the service, each a process of its own, as in a hospital; stopped at the end."""
    with _program("receive", site.receiver_file), _program("run", site.trust_file):
        yield


@contextmanager
def _program(verb: str, config: Path) -> Iterator[None]:
    log = (config.parent / f"{verb}.log").open("ab")
    command = [sys.executable, "-m", "adapter", verb, "--config", str(config)]
    process = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        yield
        if process.poll() is not None:
            raise SetupError(
                f"{verb} ended with exit code {process.returncode}: see {log.name}", exit_code=ExitCode.STORE
            )
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(_STOP_S)
        except subprocess.TimeoutExpired:
            process.kill()
        log.close()


def _trust(site: Site, simulation: simulator.Simulation) -> str:
    wards = "\n".join(f"  - {{code: {ward.code}, type: {ward.type}}}" for ward in simulation.wards)
    listeners = "\n".join(
        f"  - {{name: {feed}, kind: mllp, bind: {HOST}, port: {port}}}" for feed, port in site.mllp_ports.items()
    )
    numbers = "\n".join(
        f"    - {{authority: {each.authority}"
        + (f", fhir_system: {simulator.HOSPITAL_NUMBER}}}" if each.feed == FHIR_SITE else "}")
        for each in simulation.sites
    )
    return f"""# The simulated hospital of the demonstration: invented children only.
vendor: uk-generic
site: {{ods_code: RXX, name: Simulated Children's Hospital}}
test_mode: yes
data_folder: data
sealing: {{master_key: {{file: master.key}}}}
sources:
{listeners}
  - name: ehr
    kind: fhir-search
    base_url: {site.fhir_base}
    token: {{file: fhir-token}}
    from: 2020-01-01
    every: PT2S
    count: 200
    limits: {{requests_per_second: 1000}}
    order_numbers: {FHIR_SITE}
wards:
{wards}
laboratory_tables: [laboratory.csv]
imaging_tables: [imaging.csv]
drug_tables: [drugs.csv]
identity:
  hospital_numbers:
{numbers}
settle: {{debounce_s: 0.2}}
sink:
  kind: csor-api
  url: {site.receiver_url}
  ca: receiver.pem
  token: {{file: token}}
"""


def _receiver(site: Site) -> str:
    return f"""bind: {HOST}
port: {site.receiver_port}
data-folder: receiver-data
tls: {{cert: receiver.pem, key: receiver-key.pem}}
token: {{file: token}}
"""


def _secret(path: Path, text: str) -> None:
    path.touch(mode=0o600)
    path.write_text(text)


def _certificate(folder: Path) -> None:
    """Self-signed, for loopback, for a day."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "csor-adapter demonstration")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(minutes=5))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(HOST))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    (folder / "receiver.pem").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    pem, plain = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    _secret(folder / "receiver-key.pem", key.private_bytes(serialization.Encoding.PEM, pem, plain).decode())


def _free_port() -> int:
    with socket.create_server((HOST, 0)) as listener:
        return int(listener.getsockname()[1])
