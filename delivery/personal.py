"""Personal data by its shape: what points at a human being and helps no operator.

E-mail addresses, Korean telephone and resident registration numbers, and IP addresses of
the open Internet (those of private networks are our own machines). docs/notifications.md
says what is not covered.
"""

import ipaddress
import re
from collections.abc import Callable

_EMAIL = re.compile(
    r"(?<![\w.+%-])(?P<secret>(?P<who>[\w.+%-]++)@(?:[\w-]{1,63}\.){1,8}(?P<top>[^\W\d_]{2,24}))(?!\w)"
)
_MOBILE = re.compile(
    r"(?<![\w.-])(?P<secret>(?:\+?82[ .-]?(?:\(0\))?0?|0)1[016789][ .-]?\d{3,4}[ .-]?\d{4})"
    r"(?![\w-])"
)
_LANDLINE = re.compile(
    r"(?<![\w.-])(?P<secret>(?:\+?82[ .-]?|0)(?:2|[3-6][1-5]|70|50\d?)[ .-]\d{3,4}[ .-]\d{4})"
    r"(?![\w-])"
)
_RESIDENT = re.compile(
    r"(?<![\w-])(?P<secret>\d{2}(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])(?P<dash>[ -]?)"
    r"[1-8]\d{6})(?![\w-])"
)
_IPV4 = re.compile(r"(?<![\w.-])(?P<secret>(?:\d{1,3}\.){3}\d{1,3})(?![\w-]|\.\d)")
_IPV6 = re.compile(r"(?<![\w:.])(?P<secret>[23][0-9a-f]{3}:[0-9a-f:]{2,40})(?![\w:])", re.I)

_NOBODY = {"git", "noreply", "no-reply"}
_UNITS = {"service", "socket", "timer", "target", "mount", "slice", "scope", "path", "device"}
_WEIGHTS = (2, 3, 4, 5, 6, 7, 8, 9, 2, 3, 4, 5)


def _is_somebody(found: re.Match[str]) -> bool:
    """No ``git@github.com``, no ``getty@tty1.service``."""
    return found["who"].lower() not in _NOBODY and found["top"].lower() not in _UNITS


def _is_resident(found: re.Match[str]) -> bool:
    """Without a dash it must add up, for any thirteen digits may look so.

    Numbers given out since October 2020 need not, and are known by their dash alone.
    """
    if found["dash"]:
        return True
    digits = [int(digit) for digit in found["secret"]]
    total = sum(digit * weight for digit, weight in zip(digits, _WEIGHTS, strict=False))
    return (11 - total % 11) % 10 == digits[-1]


def _is_public(found: re.Match[str]) -> bool:
    try:
        return ipaddress.ip_address(found["secret"]).is_global
    except ValueError:
        return False


PERSONAL: tuple[tuple[re.Pattern[str], Callable[[re.Match[str]], bool]], ...] = (
    (_EMAIL, _is_somebody),
    (_MOBILE, bool),
    (_LANDLINE, bool),
    (_RESIDENT, _is_resident),
    (_IPV4, _is_public),
    (_IPV6, _is_public),
)
