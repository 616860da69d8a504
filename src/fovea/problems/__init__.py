"""One folder per problem: its task, losses, metrics."""
