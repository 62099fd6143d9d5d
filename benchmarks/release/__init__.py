"""A release of ten thousand commits: ours beside the reference implementation."""
