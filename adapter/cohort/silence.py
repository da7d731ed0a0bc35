"""The zero-case alarm: a feed can run well and bring no case, because a code list or a field is no longer what it was.

About 550 children a year in ten hospitals are one a week and site (domain document, section 7.7).
"""

from datetime import datetime, timedelta


def zero_case_alarm(
    *, last_confirmed: datetime | None, watched_since: datetime | None, now: datetime, after: timedelta
) -> str:
    """A sentence for a person, or nothing. Before the first case the first message of all counts."""
    since = last_confirmed or watched_since
    if since is None or now - since <= after:
        return ""
    what = "no newly confirmed child" if last_confirmed else "no confirmed child at all"
    return (
        f"{what} for {(now - since).days} days, where {after.days} are expected at most: is a feed or a code missing?"
    )
