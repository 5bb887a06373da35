"""Training with PPO: its configuration, the policy's checkpoints, the progress bar."""
