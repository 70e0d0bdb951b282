"""A Ray head that is lost during a search: python lost_head.py gone|restarted RUN_DIR COMMAND...

Starts a cluster, runs the command with its `--address`, kills the head as soon as the run directory has a commit, and
restarts it or not. Prints as JSON how the command ended and its output.
"""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
import time
from contextlib import closing, suppress
from pathlib import Path

os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
from ray.cluster_utils import Cluster

AWAY_SECONDS, MOST_SECONDS = 3.0, 300.0


def count_committed(run_dir: Path) -> int:
    """Evaluations in a run directory; 0 if it has none yet."""
    with suppress(sqlite3.Error), closing(sqlite3.connect(f"file:{run_dir / 'run.sqlite'}?mode=ro", uri=True)) as run:
        return int(run.execute("SELECT count(*) FROM evaluation").fetchone()[0])
    return 0


if __name__ == "__main__":
    what, run_dir, *command = sys.argv[1:]
    node = {"num_cpus": 2, "object_store_memory": 80 << 20, "include_dashboard": False}
    cluster = Cluster(initialize_head=True, head_node_args=node)
    try:
        with subprocess.Popen(
            [*command, "--address", cluster.address], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        ) as run:
            until = time.monotonic() + MOST_SECONDS
            while not count_committed(Path(run_dir)) and run.poll() is None and time.monotonic() < until:
                time.sleep(0.02)
            cluster.head_node.kill_gcs_server()
            if what == "restarted":
                time.sleep(AWAY_SECONDS)
                cluster.head_node.start_gcs_server()
            try:
                said, _ = run.communicate(timeout=max(1.0, until - time.monotonic()))
            except subprocess.TimeoutExpired:
                run.kill()
                said, _ = run.communicate()
        print(json.dumps({"code": run.returncode, "said": said, "committed": count_committed(Path(run_dir))}))
    finally:
        cluster.shutdown()
