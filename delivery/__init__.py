"""What a delivery is and what to decide about it: pure, no Prefect, no I/O."""
