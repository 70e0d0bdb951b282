"""Many networks in one compiled program, for GPUs: `planner` groups them, `slots` trains a group, `trainer` all."""
