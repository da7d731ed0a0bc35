"""Every trap of the domain document (sections 7 and 9) and of the rulings, and the prose of UK reports around them."""

import pytest

from adapter.narrative import Mention, Reader

TERMS = {
    "nec": ["NEC", "necrotising enterocolitis", "necrotizing enterocolitis"],
    "oesophageal_atresia": ["oesophageal atresia", "TOF", "OA/TOF", "tracheo-oesophageal fistula"],
    "pneumatosis": ["pneumatosis", "pneumatosis intestinalis", "intramural gas"],
    "pneumoperitoneum": ["pneumoperitoneum", "free air", "free gas", "perforation"],
    "portal_venous_gas": ["portal venous gas", "portal gas"],
}
READER = Reader(TERMS)


def said(text: str) -> list[tuple[str, str]]:
    return [(mention.name, mention.assertion) for mention in READER.read(text)]


def of(name: str, text: str) -> list[str]:
    return [assertion for found, assertion in said(text) if found == name]


@pytest.mark.parametrize(
    "text",
    [
        "NEC confirmed at laparotomy.",
        "Baby has NEC.",
        "baby has nec with bilious aspirates",
        "Perforated NEC. Transferred for surgery.",
        "Findings: appearances in keeping with necrotising\nenterocolitis.",
        "Impression: NEC stage 2b.",
        "Distended abdomen consistent with NEC",
        "No free gas but NEC is present.",
        "Mother updated. Baby has NEC.",
        "Mum aware that he has NEC.",
        "Compared with the previous film there is progression of NEC.",
        "No change in NEC since yesterday.",
        "Necrotizing Enterocolitis",
        "Clinical details: ?NEC.\nFindings: NEC with dilated loops.",
        "Diagnosis: surgical NEC, ileum resected",
        "CONCLUSION\nSevere NEC.",
    ],
)
def test_a_plain_statement_is_present(text: str) -> None:
    assert "present" in of("nec", text)


@pytest.mark.parametrize(
    "text",
    [
        "No evidence of NEC.",
        "no NEC",
        "No radiological evidence of NEC.",
        "There are no signs of NEC or perforation.",
        "NEC excluded.",
        "NEC has been ruled out.",
        "Appearances are not those of NEC.",
        "Without NEC.",
        "NEC not seen.",
        "NO EVIDENCE OF\nNECROTISING ENTEROCOLITIS",
        "Clinical details: no NEC.",
        "Spontaneous perforation rather than NEC.",
        "Neither sepsis nor NEC.",
        "No suspicion of NEC.",
    ],
)
def test_a_denial_is_absent(text: str) -> None:
    assert of("nec", text) == ["absent"]


@pytest.mark.parametrize(
    "text",
    [
        "?NEC",
        "? NEC",
        "??NEC",
        "NEC?",
        "NEC ?",
        "Abdominal distension ?NEC",
        "Distended. ? NEC",
        "query NEC",
        "r/o NEC",
        "R/O NEC please",
        "Rule out NEC.",
        "To exclude NEC",
        "Suspected NEC",
        "Possible early NEC.",
        "Cannot exclude NEC.",
        "NEC cannot be excluded.",
        "NEC not excluded.",
        "NEC is unlikely.",
        "Findings suspicious for NEC.",
        "Indication: NEC",
        "Clinical details: NEC, bilious aspirates.",
        "Clinical details: NEC. Bilious aspirates.",
        "INDICATION: Day 9, distended. NEC\n",
        "treat as NEC",
        "sepsis vs NEC",
        "Differential: sepsis, NEC",
    ],
)
def test_a_question_is_uncertain(text: str) -> None:
    assert of("nec", text) == ["uncertain"]


@pytest.mark.parametrize(
    "text",
    [
        "NEC watch",
        "Continue NEC watch, feeds at 2 ml.",
        "At risk of NEC.",
        "Plan: laparotomy if NEC progresses.",
        "Plan:\n1. Stop feeds\n2. NEC treatment for 7 days",
        "Monitor for NEC.",
        "Probiotics for NEC prophylaxis.",
        "NEC risk discussed with parents",
        "If NEC develops call surgeons.",
        "Recommendation: repeat film in 6 hours, NEC",
    ],
)
def test_a_plan_is_planned(text: str) -> None:
    assert of("nec", text) == ["planned"]


@pytest.mark.parametrize(
    "text",
    [
        "Previous NEC.",
        "previous medical NEC, now feeding",
        "History of NEC.",
        "h/o NEC",
        "PMH: NEC, PDA",
        "Past medical history:\nNEC\nPDA",
        "Post NEC stricture.",
        "NEC in the past",
        "Comparison: film of 3 March with NEC.",
    ],
)
def test_what_was_is_historical(text: str) -> None:
    assert of("nec", text) == ["historical"]


@pytest.mark.parametrize(
    "text",
    [
        "Sibling had NEC.",
        "sibling had NEC and died",
        "A previous sibling had NEC.",
        "Co-twin has NEC.",
        "Other twin died of NEC.",
        "Family history: NEC in a cousin.",
        "Family history:\nNEC\n",
        "FH: NEC",
        "NEC in sibling",
        "Mother had NEC as a baby.",
        "Brother: NEC.",
    ],
)
def test_another_person_s_disease_is_of_another_person(text: str) -> None:
    assert of("nec", text) == ["other-person"]


@pytest.mark.parametrize(
    "text",
    [
        "Drainage of ascites NEC",
        "Laparotomy approach NEC.",
        "Operation: Drainage of ascites NEC (T46.2), Laparotomy approach NEC (Y50.2)",
        "Megacolon, NEC",
        "Reopening of abdomen NEC",
        "NEC = not elsewhere classified",
    ],
)
def test_nec_in_a_title_is_not_elsewhere_classified(text: str) -> None:
    assert of("nec", text) == []


def test_nec_inside_a_word_is_nothing() -> None:
    assert of("nec", "Connect the line. Necessary bloods. CONNECTION.") == []


@pytest.mark.parametrize(
    "text",
    [
        "TOF with severe pulmonary stenosis.",
        "Echo: TOF.",
        "Echocardiogram shows TOF with VSD and overriding aorta",
        "Known to cardiology with TOF",
        "TOF (tetralogy of Fallot) awaiting repair",
        "Cardiac: TOF.",
    ],
)
def test_tof_in_a_cardiac_sentence_is_fallot(text: str) -> None:
    assert of("oesophageal_atresia", text) == []


@pytest.mark.parametrize(
    "text",
    ["TOF repaired on day 2.", "OA/TOF repair. Normal heart.", "TOF with oesophageal atresia; echo shows VSD"],
)
def test_tof_of_the_oesophagus_is_found(text: str) -> None:
    assert "present" in of("oesophageal_atresia", text)


def test_a_denied_list_denies_each() -> None:
    assert said("No pneumatosis, free gas or portal venous gas is seen.") == [
        ("pneumatosis", "absent"),
        ("pneumoperitoneum", "absent"),
        ("portal_venous_gas", "absent"),
    ]


def test_a_list_denied_at_its_end_is_denied() -> None:
    text = "Pneumatosis, free gas and portal venous gas are not seen."
    assert [assertion for _, assertion in said(text)] == ["absent"] * 3


def test_a_denial_ends_where_a_new_statement_begins() -> None:
    assert said("No free gas but there is pneumatosis.") == [("pneumoperitoneum", "absent"), ("pneumatosis", "present")]
    assert said("There is pneumatosis without perforation.") == [
        ("pneumatosis", "present"),
        ("pneumoperitoneum", "absent"),
    ]
    assert said("No free gas, pneumatosis is present.") == [("pneumoperitoneum", "absent"), ("pneumatosis", "present")]
    assert said("Pneumatosis is present, perforation is not excluded.") == [
        ("pneumatosis", "present"),
        ("pneumoperitoneum", "uncertain"),
    ]


def test_a_line_broken_by_the_printer_goes_on() -> None:
    text = "The bowel loops are distended throughout. There is no evidence of\nPneumatosis or free\nair."
    assert said(text) == [("pneumatosis", "absent"), ("pneumoperitoneum", "absent")]


def test_a_heading_reigns_until_the_next() -> None:
    text = (
        "Clinical details: preterm, NEC\nFindings: Pneumatosis in the right iliac fossa.\n"
        "Plan: repeat if perforation.\nFamily history: NEC\nConclusion: NEC"
    )
    assert said(text) == [
        ("nec", "uncertain"),
        ("pneumatosis", "present"),
        ("pneumoperitoneum", "planned"),
        ("nec", "other-person"),
        ("nec", "present"),
    ]


def test_headings_in_one_line_are_headings_too() -> None:
    text = "Clinical Indication: distension, NEC. Report: No pneumatosis. Conclusion: free gas."
    assert said(text) == [("nec", "uncertain"), ("pneumatosis", "absent"), ("pneumoperitoneum", "present")]


def test_the_longest_phrase_wins_and_offsets_point_into_the_text() -> None:
    text = "AXR.\nPneumatosis intestinalis seen."
    [mention] = READER.read(text)
    assert isinstance(mention, Mention)
    assert text[mention.start : mention.end] == "Pneumatosis intestinalis"
    assert mention.sentence == "Pneumatosis intestinalis seen."


def test_two_names_of_one_phrase_are_both_found() -> None:
    reader = Reader({"leak": ["leak"], "anastomotic": ["leak"]})
    assert {mention.name for mention in reader.read("Leak at the anastomosis.")} == {"leak", "anastomotic"}


def test_a_text_without_terms_and_an_empty_text_say_nothing() -> None:
    assert READER.read("") == []
    assert READER.read("Normal film. ?") == []
    assert Reader({}).read("NEC") == []


def test_a_gangrenous_bowel_before_a_comma_is_no_title() -> None:
    assert of("nec", "Laparotomy: gangrenous bowel, NEC.") == ["present"]


@pytest.mark.parametrize(
    "before",
    [
        "",
        "Film.\n",
        "Film.\n- ",
        "Film.\n1. ",
        "Film.\n(2) ",
        "Film. ",
        "Film | ",
        "No film?  ",
        "On day 1. 2. ",
        "\n\n",
    ],
)
@pytest.mark.parametrize("heading", ["Family history:", "Family\nhistory :", "family   history:"])
def test_a_heading_counts_wherever_a_clause_can_begin(before: str, heading: str) -> None:
    assert said(f"{before}{heading} NEC") == [("nec", "other-person")]


@pytest.mark.parametrize("short", ["e.g.", "i.e.", "Dr.", "approx.", "vs.", "No.", "3."])
def test_a_short_form_ends_no_sentence(short: str) -> None:
    [mention] = READER.read(f"Film shows {short} NEC here.")
    assert mention.sentence == f"Film shows {short} NEC here."
