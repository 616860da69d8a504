"""What is recorded of a run while it trains: its history, its environment, and W&B beside it."""
