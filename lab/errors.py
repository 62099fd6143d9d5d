"""What the lab says when it cannot do its work."""


class LabError(Exception):
    """The lab could not do something; the message says what, why and what to try next."""
