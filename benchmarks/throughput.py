"""Measures the population trainer against Keras `fit` and prints the figures that it is held to. See README.md here.

python benchmarks/throughput.py [--only mixed,textbook] [--networks 512] [--epochs 30] [--sample 6] [--json OUT]
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from statistics import mean
from typing import Any

from evonas.training.population import prepare_process

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
prepare_process()  # before anything imports the backend
