"""How clinical English denies, doubts, plans and remembers: plain phrases, one list per purpose. Data, no logic.

After NegEx (Chapman et al., J Biomed Inform 2001;34:301) and ConText (Harkema et al., J Biomed Inform 2009;42:839),
with the short forms of British neonatal notes and radiology reports. All phrases are matched without regard to case, as
whole words; a space in a phrase stands for any white space.
"""

from typing import Final, Literal, NamedTuple

Assertion = Literal["present", "absent", "uncertain", "historical", "other-person", "planned"]


class Sense(NamedTuple):
    """A short form that also means something else, and how the other meaning is known."""

    phrase: str
    beside: tuple[str, ...] = ()
    """Any of these in the same sentence, and the other meaning is meant."""
    rescued_by: tuple[str, ...] = ()
    """Unless one of these stands there too."""
    ends_title_after: tuple[str, ...] = ()
    """The last word of a title when it comes straight after one of these (a comma counts) and ends the clause."""


class Heading(NamedTuple):
    """Words that open a section, and what a plain statement in it means."""

    phrases: tuple[str, ...]
    assertion: Assertion


# NEC at the end of a title of OPCS-4 or ICD-10 is "not elsewhere classified" (ruling R1); the nouns are the last words
# of such titles. TOF is oesophageal in surgery and tetralogy of Fallot in cardiology (domain document, section 7.2).
SENSES: Final = (
    Sense(
        "NEC",
        beside=("not elsewhere classified", "OPCS", "OPCS-4", "ICD-10"),
        ends_title_after=(
            "abdomen", "abscess", "anastomosis", "anus", "approach", "arteriosus", "ascites", "bowel", "catheter",
            "cavity", "colon", "conditions", "cystostomy", "dialysis", "diaphragm", "disease", "diseases", "disorder",
            "disorders", "drainage", "haemodialysis", "hernia", "ileostomy", "ileum", "intestine", "jejunum",
            "malformation", "malformations", "megacolon", "oesophagoscope", "oesophagus", "operation", "operations",
            "organ", "organs", "peritoneum", "procedure", "procedures", "rectum", "site", "stomach", "tract",
            "ureterostomy", "ventilation", "wall", "megacolon,", "disease,", "diseases,", "disorder,", "disorders,",
            "malformation,", "malformations,", "conditions,",
        ),
    ),
    Sense(
        "TOF",
        beside=(
            "fallot", "fallots", "tetralogy", "cardiac", "cardiology", "cardiologist", "congenital heart", "heart",
            "pulmonary stenosis", "pulmonary atresia", "pulmonary valve", "pulmonary arteries", "pulmonary artery",
            "right ventricular", "RVOT", "RVOTO", "VSD", "ventricular septal defect", "overriding aorta", "MAPCAs",
            "BT shunt", "Blalock", "echo", "echocardiogram", "echocardiography", "saturations", "tet spell",
            "tet spells", "hypercyanotic", "cyanotic spell", "cyanotic spells", "beta blocker", "propranolol",
        ),
        rescued_by=(
            "oesophageal atresia", "esophageal atresia", "oesophagus", "tracheo-oesophageal", "tracheoesophageal",
            "OA/TOF", "TOF/OA", "TOF-OA", "OA-TOF", "TOF repair and OA", "replogle", "VACTERL", "fistula",
        ),
    ),
)  # fmt: skip

HEADINGS: Final = (
    Heading(
        (
            "indication", "indications", "clinical indication", "clinical details", "clinical information",
            "clinical info", "clinical history", "clinical question", "question", "reason for examination",
            "reason for exam", "reason for request", "reason for study", "reason for referral", "referral reason",
            "request", "request details", "details", "differential", "differentials", "differential diagnosis", "ddx",
        ),
        "uncertain",
    ),
    Heading(
        (
            "plan", "plans", "management plan", "recommendation", "recommendations", "advice", "to do", "actions",
            "next steps", "watch for", "risks", "risk factors", "consent", "prophylaxis",
        ),
        "planned",
    ),
    Heading(
        (
            "family history", "family hx", "fhx", "fh", "maternal history", "maternal hx", "mother", "father",
            "siblings", "sibling", "brother", "sister", "co-twin", "parents", "obstetric history",
            "pregnancy history", "social history",
        ),
        "other-person",
    ),
    Heading(
        (
            "past medical history", "past history", "previous history", "past surgical history", "pmh", "pmhx", "psh",
            "previous diagnoses", "previous problems", "resolved problems", "resolved", "inactive problems",
            "comparison", "previous imaging",
        ),
        "historical",
    ),
    Heading(
        (
            "findings", "finding", "report", "result", "results", "conclusion", "conclusions", "impression",
            "opinion", "summary", "comment", "comments", "diagnosis", "diagnoses", "final diagnosis",
            "active problems", "problems", "problem list", "operative findings", "operation findings", "histology",
            "microscopy", "macroscopy", "examination", "on examination", "o/e", "progress", "assessment", "technique",
            "procedure", "operation", "addendum", "history", "hpc", "presenting complaint", "interpretation",
            "abdomen", "chest", "bowel", "lungs", "lines",
        ),
        "present",
    ),
)  # fmt: skip

# Look like a cue and are none. Taken out before anything else is read.
NO_CUE: Final = (
    "no change", "no changes", "no interval change", "no significant change", "no significant interval change",
    "no increase", "no improvement", "no further change", "no doubt", "no resolution", "not only", "not necessarily",
    "gram negative", "no fever", "without difficulty", "without complication", "without complications",
    "nil by mouth", "no longer NBM", "not tolerating", "not tolerated", "not feeding", "not opening", "not opened",
    "not passing", "previous film", "previous films", "previous radiograph", "previous radiographs", "previous study",
    "previous studies", "previous examination", "previous exam", "previous imaging", "previous image",
    "previous images", "previous scan", "previous x-ray", "previous xray", "previous axr", "previous cxr",
    "previous report", "prior film", "prior films", "prior radiograph", "prior study", "prior examination",
    "prior imaging", "prior exam", "earlier film", "history of presenting complaint", "day history", "hour history",
    "week history", "hr history", "prior to", "past few", "past 24", "past 48", "past day", "past hour",
    "mother informed", "mother updated", "mother aware", "mother present", "mother told", "mother spoken to",
    "mum informed", "mum updated", "mum aware", "mum told", "mum present", "dad updated", "father informed",
    "father updated", "father aware", "parents informed", "parents updated", "parents aware", "family informed",
    "family updated", "family aware", "as planned", "planned delivery", "could not", "may not feed", "mother's milk",
    "mothers milk", "maternal milk", "maternal breast milk", "mother's own milk", "old blood",
)  # fmt: skip

ABSENT_BEFORE: Final = (
    "no", "no evidence of", "no sign of", "no signs of", "no features of", "without", "without evidence of", "not",
    "nor", "neither", "never", "absence of", "negative for", "free of", "free from", "denies", "denied", "excludes",
    "excluded", "ruled out", "rules out", "has not got", "does not have", "did not have", "not thought to be",
    "unremarkable for", "nil", "rather than", "instead of", "resolved", "clear of", "lack of", "against",
)  # fmt: skip
ABSENT_AFTER: Final = (
    "excluded", "ruled out", "absent", "negative", "not seen", "not identified", "not present", "not demonstrated",
    "not evident", "not visible", "not visualised", "not visualized", "not detected", "not found", "not noted",
    "not shown", "no longer seen", "no longer visible", "no longer present", "no longer evident", "refuted",
    "not diagnosed", "did not develop", "was not", "is not", "are not", "were not", "never developed", "not apparent",
    "not the case",
)  # fmt: skip

UNCERTAIN_BEFORE: Final = (
    "?", "query", "queried", "possible", "possibly", "probable", "probably", "likely", "suspected", "suspect",
    "suspecting", "suspicion of", "suspicion for", "suspicious for", "suspicious of", "may be", "may have",
    "may represent", "may", "might", "could", "rule out", "r/o", "exclude", "to exclude", "excluding", "not exclude",
    "not excluded", "cannot exclude", "can't exclude", "concern for", "concern about", "concern of", "concerns of",
    "concerns for", "concerned about", "concerning for", "worried about", "worry about", "differential",
    "differentials", "ddx", "versus", "vs", "suggestive of", "suggests", "suggest", "suggesting", "treat as",
    "treated as", "treating as", "presumed", "equivocal", "consider", "considered", "considering",
    "raises the possibility of", "possibility of", "question of", "whether", "unclear if", "unlikely",
    "unlikely to be", "perhaps", "apparent", "potential", "not certain", "uncertain", "unsure", "evaluate for",
    "assess for", "investigate for", "look for", "low suspicion", "low suspicion of", "mimics", "mimicking",
    "impending",
)  # fmt: skip
UNCERTAIN_AFTER: Final = (
    "?", "possible", "probable", "likely", "unlikely", "suspected", "not excluded", "cannot be excluded",
    "can't be excluded", "not ruled out", "cannot be ruled out", "could not be excluded", "not confirmed",
    "unconfirmed", "queried", "in question", "is considered", "to be excluded", "to be ruled out",
    "not entirely excluded", "not completely excluded", "cannot be entirely excluded",
    "cannot be completely excluded", "was considered", "vs", "versus", "less likely", "is a possibility",
    "remains possible", "remains a possibility", "in the differential",
)  # fmt: skip

HISTORICAL_BEFORE: Final = (
    "previous", "previously", "prev", "prior", "past", "history of", "hx of", "h/o", "pmh", "pmh of", "s/p",
    "status post", "post", "recovered from", "old", "former", "formerly", "known previous", "after treatment for",
    "treated for", "background of", "ex", "follow up of", "follow-up of", "following", "since",
)  # fmt: skip
HISTORICAL_AFTER: Final = (
    "in the past", "previously", "last year", "last month", "has resolved", "have resolved", "resolved",
    "has cleared", "treated previously", "as a neonate", "in infancy", "in early life",
)  # fmt: skip

OTHER_BEFORE: Final = (
    "sibling", "siblings", "sib", "brother", "brothers", "sister", "sisters", "co-twin", "cotwin", "other twin",
    "twin had", "twin has", "twin died of", "twin died from", "twin died with", "twin with", "triplet had",
    "mother had", "mother has", "mother with", "mother", "mum", "mum had", "father", "father had", "dad", "maternal",
    "paternal", "cousin", "aunt", "uncle", "family history of", "family history", "fhx", "fh of", "grandmother",
    "grandfather", "half-brother", "half-sister", "previous child", "previous baby", "another baby", "other baby",
    "previous pregnancy", "neighbouring cot", "another infant", "baby in the next cot",
)  # fmt: skip
OTHER_AFTER: Final = (
    "in sibling", "in a sibling", "in siblings", "in the sibling", "in brother", "in sister", "in a brother",
    "in a sister", "in her brother", "in her sister", "in his brother", "in his sister", "in previous sibling",
    "in a previous sibling", "in older sibling", "in an older sibling", "in co-twin", "in the co-twin",
    "in other twin", "in the other twin", "in mother", "in the mother", "in father", "in the father", "in the family",
    "in twin", "in cousin", "in a cousin", "in previous child", "in a previous child", "in a previous pregnancy",
)  # fmt: skip

PLANNED_BEFORE: Final = (
    "watch for", "watching for", "monitor for", "monitoring for", "monitor", "observe for", "screen for",
    "screening for", "risk of", "at risk of", "at risk for", "high risk of", "high risk for", "increased risk of",
    "risks of", "risk factors for", "risk factor for", "if", "in case of", "should", "in the event of", "prevent",
    "prevention of", "to prevent", "avoid", "prophylaxis for", "prophylaxis against", "guideline for",
    "protect against", "predisposed to", "until", "discuss", "discussed risk of", "counselled about", "leaflet about",
    "information about", "reduce the risk of", "study of",
)  # fmt: skip
PLANNED_AFTER: Final = (
    "watch", "risk", "screen", "screening", "prophylaxis", "prevention", "protocol", "guideline", "guidelines",
    "pathway", "bundle", "precautions", "trial", "study", "leaflet", "alert", "monitoring", "surveillance",
    "risk score", "were to develop", "should develop",
)  # fmt: skip

# A new statement begins here: what was denied or doubted before does not reach beyond.
ENDS_SCOPE: Final = (
    "but", "however", "although", "though", "yet", "nevertheless", "except", "except for", "apart from", "aside from",
    "other than", "there is", "there are", "there was", "there were", "which shows", "which showed", "shows",
    "showed", "showing", "demonstrates", "demonstrated by", "consistent with", "in keeping with", "compatible with",
    "confirms", "confirming", "diagnosed with", "now has", "now with", "has developed", "and has", "who has",
    "who had", "baby has", "baby had", "infant has", "infant had", "he has", "she has", "he had", "she had",
    "patient has", "because of", "due to", "secondary to", "and persistent", "and extensive", "and marked",
    "and worsening", "and increasing", "and confirmed", "and new", "and there", "with new", "with extensive",
    "with marked",
)  # fmt: skip
# After a comma in a denied list, "…, X is seen" asserts X.
AFFIRMS: Final = (
    "is present", "are present", "is seen", "are seen", "is noted", "are noted", "is evident", "is identified",
    "is visible", "is demonstrated", "confirmed", "is confirmed", "persists", "was confirmed", "has developed",
    "again seen", "now seen", "is again seen", "was found", "was present", "was seen",
)  # fmt: skip
