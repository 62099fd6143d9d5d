"""What drives the product in the tests' lab, under the name the tests know it by."""

from tools.driving import Answered, Delivering

__all__ = ["Answered", "Delivering"]
