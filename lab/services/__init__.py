"""The lab's stand-ins for other people's services: AWS, GitHub, Doppler, Slack."""
