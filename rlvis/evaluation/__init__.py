"""May I believe the picture? What moves a policy, which maps agree with that, what it cost."""
