"""What is deployed: the files of stack/ themselves, and its scripts against real servers."""
