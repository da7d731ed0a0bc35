from adapter.hl7v2.conformance import report

GOOD = (
    b"MSH|^~\\&|EPR|RXX|CSOR|RXX|20260301120000||ADT^A28^ADT_A05|1|P|2.5\rEVN|A28|20260301120000\r"
    b"PID|||123^^^RXX^MR||TESTER^Invented||20260301|M\rPV1||N\r"
)


def test_a_message_after_the_standard_has_no_findings() -> None:
    assert report(GOOD) == []


def test_findings_name_the_place_and_never_the_value() -> None:
    raw = GOOD.replace(b"|20260301|M\r", b"|20260301|secretsex\r").replace(b"|1|P|2.5", b"|1||2.5")
    lines = report(raw)
    assert "error: MSH.MSH_11: missing required child" in lines
    assert "warning: PID.PID_8: value not in table HL70001" in lines
    assert not any("secret" in line or "TESTER" in line for line in lines)


def test_a_repeated_finding_is_told_once() -> None:
    obx = b"OBX|1|NM|||||||||F\r"
    raw = b"MSH|^~\\&|L|R|C|R|20260301||ORU^R01^ORU_R01|1|P|2.5\rPID|||1||T^I\rOBR|1|||CRP\r" + obx * 3
    assert report(raw).count("error: OBX.OBX_3: missing required child") == 1


def test_what_hl7apy_cannot_read_is_said_to_be_unchecked() -> None:
    assert report(b"MSH|^~\\&#|A|B|C|D|2026||ADT^A01|1|P|2.4\r") == [
        "not checked: Invalid encoding chars: Found 5 encoding chars"
    ]
    assert report(GOOD.replace(b"|2.5\r", b"|Secret\r")) == ["not checked: hl7apy does not know the version in MSH-12"]
    assert report(b"no HL7 at all") == ["not checked: hl7apy cannot read it (ParserError)"]


def test_a_value_with_a_line_break_is_not_shown_either() -> None:
    raw = GOOD.replace(b"|M\r", b"|se\\X0A\\cret\r")
    assert not any("cret" in line for line in report(raw))
