"""What each look-alike must reach, written by hand from the domain document (sections 3 and 7) and the rulings.

For a boy on his second day, by himself unless something else is said.
"""

from tests.unit.cohort.builders import ICD, OPCS, SNOMED

NONE, SUSPECTED, PROBABLE, CONFIRMED, REFUTED = "none", "suspected", "probable", "confirmed", "refuted"
HELD = " held"
CONDITIONS = {
    "HIRSCHSPRUNG": "hirschsprung",
    "GASTROSCHISIS": "gastroschisis",
    "CDH": "cdh",
    "OA": "oesophageal_atresia",
    "NEC": "nec",
    "PUV": "puv",
}
SYSTEMS = {"icd-10": ICD, "opcs-4": OPCS, "snomed-ct": SNOMED}
CORE = {
    "hirschsprung": (ICD, "Q43.1"),
    "gastroschisis": (ICD, "Q79.3"),
    "cdh": (ICD, "Q79.0"),
    "oesophageal_atresia": (ICD, "Q39.1"),
    "nec": (ICD, "P77"),
    "puv": (ICD, "Q64.2"),
}
CORE_STATE = {**dict.fromkeys(CORE, CONFIRMED), "nec": PROBABLE}

# List → the state that one of its codes alone makes; the codes below differ from their list.
ALONE = {
    "HIRSCHSPRUNG.dx.core": CONFIRMED,
    "HIRSCHSPRUNG.dx.suspect": SUSPECTED,
    "HIRSCHSPRUNG.proc.definitive": NONE,
    "HIRSCHSPRUNG.proc.possible": NONE,
    "HIRSCHSPRUNG.proc.supporting": NONE,
    "GASTROSCHISIS.dx.core": CONFIRMED,
    "GASTROSCHISIS.dx.exclude": NONE,
    "GASTROSCHISIS.proc.definitive": CONFIRMED,
    "GASTROSCHISIS.proc.supporting": SUSPECTED,
    "CDH.dx.core": CONFIRMED,
    "CDH.dx.suspect": SUSPECTED,
    "CDH.dx.exclude": NONE,
    "CDH.proc.definitive": CONFIRMED,
    "CDH.proc.possible": NONE,
    "CDH.proc.fetal": NONE,
    "OA.dx.core": CONFIRMED,
    "OA.dx.htype": CONFIRMED,
    "OA.dx.exclude": NONE,
    "OA.proc.definitive": CONFIRMED,
    "OA.proc.replacement": NONE,
    "OA.proc.oesophagostomy": NONE,
    "OA.proc.revision": NONE,
    "OA.proc.dilatation": NONE,
    "OA.proc.antireflux": NONE,
    "NEC.dx.core": PROBABLE,
    "NEC.dx.suspect": SUSPECTED,
    "NEC.proc.resection": NONE,
    "NEC.proc.perforation_repair": NONE,
    "NEC.proc.laparotomy_only": NONE,
    "NEC.proc.second_look": NONE,
    "NEC.proc.peritoneal_drain": NONE,
    "PUV.dx.core": CONFIRMED,
    "PUV.dx.suspect": SUSPECTED,
    "PUV.dx.exclude": NONE,
    "PUV.proc.definitive": CONFIRMED,
    "PUV.proc.diversion": NONE,
    "PUV.proc.possible": NONE,
    "PUV.proc.fetal": NONE,
    "PUV.proc.renal_replacement": NONE,
}
ALONE_CODE = {
    # R7: a row of medium or low confidence that nobody has signed raises suspicion only.
    ("OA.dx.htype", "95435007"): SUSPECTED,
    ("NEC.dx.core", "32097002"): SUSPECTED,
    ("NEC.dx.core", "P77.2"): SUSPECTED,
    ("NEC.dx.core", "P77.3"): SUSPECTED,
    ("NEC.dx.core", "P77.9"): SUSPECTED,
    # R4: closure of a fistula counts only beside Q39.
    ("OA.proc.definitive", "G07.1"): PROBABLE,
    # Stage codes stand beside any staged operation.
    ("GASTROSCHISIS.proc.supporting", "Y70.3"): NONE,
    ("GASTROSCHISIS.proc.supporting", "Y71.1"): NONE,
}
# Beside the core code of its condition a look-alike changes nothing (R5), but for the listed pairs.
BESIDE_CODE = {
    ("GASTROSCHISIS.dx.exclude", "Q79.2"): PROBABLE + HELD,
    ("GASTROSCHISIS.dx.exclude", "18735004"): PROBABLE + HELD,
    ("CDH.dx.suspect", "Q79.1"): PROBABLE + HELD,
    # The one laparotomy whose row may confirm (R7).
    ("NEC.proc.laparotomy_only", "74770008"): CONFIRMED,
}
# Operations that prove a coded NEC: those whose rows may confirm (R7).
BESIDE_LIST = {"NEC.proc.resection": CONFIRMED, "NEC.proc.perforation_repair": CONFIRMED}
# Section 3.3: the same string in another system. (string, as OPCS-4 operation, as ICD-10 diagnosis)
COLLISIONS = [
    ("T28.1", {"gastroschisis": CONFIRMED}, {}),
    ("Q43.1", {}, {"hirschsprung": CONFIRMED}),
    ("Q39.1", {}, {"oesophageal_atresia": CONFIRMED}),
    ("M76.5", {"puv": CONFIRMED}, {}),
    ("H33.2", {}, {}),
    ("T46.2", {}, {}),
    ("H40.4", {}, {}),
]
WRITTEN = {
    "nec": ["P77X", "P77", "p77x", "P77 X", "P77D", "P77†", " P77* "],
    "gastroschisis": ["Q793", "q79.3", "Q79.3", "Q79.3X", "Q79.30", "q793†"],
    "hirschsprung": ["Q431", "q43.1", "Q43.1*"],
    "cdh": ["Q790", "q79.0", "Q79.0X"],
    "oesophageal_atresia": ["Q391", "q39.1", "Q39.10"],
    "puv": ["Q642", "q64.2", "Q64.2D"],
}
NAMES = {
    "hirschsprung": "Hirschsprung's disease",
    "gastroschisis": "gastroschisis",
    "cdh": "CDH",
    "oesophageal_atresia": "oesophageal atresia",
    "nec": "NEC",
    "puv": "posterior urethral valves",
}
TRAPS = [
    "No evidence of {}.",
    "no {}",
    "?{}",
    "Distended, ? {}",
    "r/o {}",
    "To exclude {}.",
    "{} excluded.",
    "{} unlikely.",
    "Suspected {}.",
    "{} watch",
    "At risk of {}.",
    "Previous {}.",
    "h/o {}",
    "Sibling had {}.",
    "Co-twin has {}.",
    "Family history: {}.",
    "FH:\n{}\n",
    "Plan: call surgeons if {}.",
    "Plan:\n1. Bloods\n2. Treat {}",
    "Indication: {}.",
    "Clinical details: {}\nFindings: normal bowel gas.",
    "Past medical history: {}.",
]
OTHER_MEANINGS = {
    "nec": [
        "Drainage of ascites NEC",
        "Laparotomy approach NEC.",
        "Operation: Drainage of ascites NEC (T46.2), Laparotomy approach NEC (Y50.2)",
        "Megacolon, NEC",
        "Connect the line; necessary bloods sent.",
    ],
    "oesophageal_atresia": ["Echo: TOF.", "TOF with severe pulmonary stenosis.", "Known to cardiology with TOF, VSD."],
    "cdh": ["Sliding hiatus hernia.", "Eventration of the right hemidiaphragm."],
    "gastroschisis": ["Exomphalos major with liver in the sac."],
    "puv": ["Pelvi-ureteric junction obstruction."],
    "hirschsprung": ["Meconium plug passed; ganglion cells present."],
}
