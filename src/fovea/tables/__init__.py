"""From run records to tables: no number in one comes from anywhere else."""
