"""LightningModules, one per problem. A task is given its network and never names one."""
