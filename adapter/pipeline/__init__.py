"""What happens to a message: from the source to the inbox, and from the inbox to the assertion log.

Read `journey` first. `reception` seals what sources bring, `keeping` decides keep or put aside, `enrolment` writes down
who is who, `expiry` erases what may be held no longer.
"""
