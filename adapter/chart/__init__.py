"""One child's chart: what is known of a patient identifier, what is live of all that was asserted, and the forms in
which charts are sealed. Pure values and functions that the loops share; no disk, no identity decision, no mapping."""
