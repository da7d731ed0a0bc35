"""How UK radiologists write of a sign that is there, that is not, and that may be.

The words are the simulated reporters' own. What a phrase says is decided by the course, before it is chosen.
"""

from adapter.simulator.examinations import Sign

PRESENT: dict[Sign, tuple[str, ...]] = {
    "pneumatosis": (
        "There is pneumatosis intestinalis in the right iliac fossa.",
        "Extensive intramural gas is seen throughout the left hemicolon.",
        "Bubbly lucencies along the bowel wall in the right flank, consistent with pneumatosis.",
    ),
    "portal_venous_gas": (
        "Portal venous gas is noted over the liver.",
        "Branching lucencies projected over the liver in keeping with portal venous gas.",
    ),
    "pneumoperitoneum": (
        "There is a large pneumoperitoneum with a visible falciform ligament.",
        "Free intraperitoneal gas is seen beneath the right hemidiaphragm on the lateral decubitus view.",
        "Free air is demonstrated, in keeping with perforation.",
    ),
    "fixed_loop": (
        "A fixed dilated loop in the right lower quadrant is unchanged over three films.",
        "There is a fixed loop in the left flank.",
    ),
    "gasless": ("The abdomen is gasless.", "Gasless abdomen below the level of the stomach."),
    "dilated_loops": (
        "There are multiple dilated loops of bowel.",
        "Dilated bowel loops are seen throughout the abdomen.",
        "Gaseous distension with several dilated loops of small bowel.",
    ),
    "free_fluid": (
        "There is a moderate volume of free fluid containing echoes.",
        "Free fluid is seen in both flanks.",
    ),
    "transition_zone": (
        "There is a transition zone at the rectosigmoid junction.",
        "A clear transition zone is seen in the mid sigmoid with proximal dilatation.",
    ),
    "leak": (
        "There is a small contained anastomotic leak on the right.",
        "Extravasation of contrast is seen at the level of the anastomosis, in keeping with a leak.",
    ),
    "stricture": (
        "There is a short stricture at the anastomosis with hold-up of contrast.",
        "A tight stricture is demonstrated.",
    ),
    "keyhole_bladder": (
        "The bladder is thick walled with a keyhole appearance.",
        "There is a keyhole sign at the bladder base.",
    ),
    "vesicoureteric_reflux": (
        "There is left-sided vesicoureteric reflux, grade IV.",
        "Bilateral vesicoureteric reflux is demonstrated.",
    ),
    "coiled_tube": (
        "The nasogastric tube is coiled in the upper oesophageal pouch.",
        "A coiled tube is seen in the proximal oesophagus at the level of T3.",
    ),
    "bowel_in_chest": (
        "There are bowel loops within the left hemithorax with mediastinal shift to the right.",
        "There are multiple gas-filled loops of bowel in the chest on the left.",
    ),
    "dilated_posterior_urethra": (
        "There is a dilated posterior urethra below a prominent bladder neck.",
        "The posterior urethra is dilated and elongated.",
    ),
}
NOUN: dict[Sign, str] = {
    "pneumatosis": "pneumatosis",
    "portal_venous_gas": "portal venous gas",
    "pneumoperitoneum": "free intraperitoneal gas",
    "fixed_loop": "fixed loop",
    "gasless": "gasless abdomen",
    "dilated_loops": "dilated loops of bowel",
    "free_fluid": "free fluid",
    "transition_zone": "transition zone",
    "leak": "anastomotic leak",
    "stricture": "stricture",
    "keyhole_bladder": "keyhole sign",
    "vesicoureteric_reflux": "vesicoureteric reflux",
    "coiled_tube": "coiled tube",
    "bowel_in_chest": "bowel in the chest",
    "dilated_posterior_urethra": "dilated posterior urethra",
}
"""For lists of what was looked for and not found, and for what is in doubt."""
ABSENT_LIST = ("No {signs}.", "There is no evidence of {signs}.", "No convincing {signs} is seen.")
ABSENT_ONE = ("No {sign}.", "There is no evidence of {sign}.", "No {sign} is identified.", "No {sign} seen.")
UNCERTAIN = (
    "Possible {sign}; a repeat film in six hours is advised.",
    "Appearances are suspicious for {sign}, but not diagnostic.",
    "{Sign} cannot be excluded.",
    "Query {sign}.",
)
