"""What a deploy costs those who are served meanwhile: ours beside today's script."""
