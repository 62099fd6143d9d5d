"""Order and policy, nothing else: each flow reads like the runbook."""
