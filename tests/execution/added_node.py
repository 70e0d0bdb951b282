"""A head with one CPU, and a machine of two that is added while networks are trained: python added_node.py DATA.

Prints, as JSON, how many networks are trained at a time before and after, and what came back.
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))
os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
from ray.cluster_utils import Cluster

from evonas.evaluation import Candidate
from evonas.execution_options import Execution
from tests.execution import test_ray

NODE = {"object_store_memory": 80 << 20, "include_dashboard": False}
MOST_SECONDS = 180.0

if __name__ == "__main__":
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, **NODE})
    try:
        with test_ray.pool_of(Path(sys.argv[1]), execution=Execution("ray", None, address=cluster.address)) as pool:
            stream, found, given, until = pool.stream(), {}, 6, time.monotonic() + MOST_SECONDS
            for number in range(given):
                stream.give(number, Candidate(number + 1, str(number), 0, 20))
            while not found and time.monotonic() < until:
                found |= stream.wait()
            before = pool.slots
            cluster.add_node(num_cpus=2, object_store_memory=80 << 20)
            while pool.slots < 3 and time.monotonic() < until:
                if given - len(found) < 4:  # there is always work
                    stream.give(given, Candidate(given + 1, str(given), 0, 20))
                    given += 1
                found |= stream.wait()
            after = pool.slots
            while len(found) < given and time.monotonic() < until:
                found |= stream.wait()
            stream.close()
        scores = {number: each.scores["rmse"] for number, each in found.items()}
        print(json.dumps({"before": before, "after": after, "right": scores == {n: n + 1.0 for n in range(given)}}))
    finally:
        cluster.shutdown()
