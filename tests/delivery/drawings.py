"""Looking at the image that a Markdown text carries."""

import base64
import re


def drawing(markdown: str) -> str:
    """The SVG of the one chart in ``markdown``."""
    (address,) = re.findall(r"\(data:image/svg\+xml;base64,([A-Za-z0-9+/=]+)\)", markdown)
    return base64.b64decode(address).decode()
