"""Stand-in images of the public ones, built from Debian's and PyPI's packages."""
