"""What runs inside the lab's instance: the SSM agent and Doppler's command.

The modules here use Python's standard library only, since the instance has no other.
"""
