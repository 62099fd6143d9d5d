"""One Prefect task per action: retries, timeout, logs, artifacts."""
