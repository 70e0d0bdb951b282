"""The wall clock is set a day forward and back during a run."""

from __future__ import annotations

import random
import re
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.reliability.battery import Row, Runs
from tests.reliability.counts import count
from tests.reliability.forkserver import ForkServer

#: Shifts the wall clock, and nothing else, by the seconds in the file CLOCK_FILE.
SHIM = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>
static long shift(void) {
    char text[32] = {0};
    int file = open(getenv("CLOCK_FILE"), O_RDONLY);
    if (file < 0) return 0;
    if (read(file, text, 31) < 0) text[0] = 0;
    close(file);
    return atol(text);
}
int clock_gettime(clockid_t clock, struct timespec *now) {
    static int (*real)(clockid_t, struct timespec *);
    if (!real) real = dlsym(RTLD_NEXT, "clock_gettime");
    int result = real(clock, now);
    if (clock == CLOCK_REALTIME) now->tv_sec += shift();
    return result;
}
int gettimeofday(struct timeval *now, void *zone) {
    struct timespec exact;
    clock_gettime(CLOCK_REALTIME, &exact);
    now->tv_sec = exact.tv_sec;
    now->tv_usec = exact.tv_nsec / 1000;
    return 0;
}
time_t time(time_t *now) {
    struct timespec exact;
    clock_gettime(CLOCK_REALTIME, &exact);
    if (now) *now = exact.tv_sec;
    return exact.tv_sec;
}
"""
DAY = 86_400


class Clock:
    def __init__(self, file: Path) -> None:
        self.file = file

    def set(self, seconds: int) -> None:
        self.file.write_text(str(seconds))


@pytest.fixture(scope="module")
def clock(tmp_path_factory: pytest.TempPathFactory) -> Clock:
    return Clock(tmp_path_factory.mktemp("clock") / "shift")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, clock: Clock) -> Iterator[ForkServer]:
    if shutil.which("cc") is None:
        pytest.skip("needs a C compiler, for a clock of its own")
    folder = clock.file.parent
    (folder / "clock.c").write_text(SHIM)
    subprocess.run(["cc", "-shared", "-fPIC", "-O1", "-o", "clock.so", "clock.c", "-ldl"], cwd=folder, check=True)
    environment = {"LD_PRELOAD": str(folder / "clock.so"), "CLOCK_FILE": str(clock.file)}
    clock.set(0)
    made = ForkServer(folder, "tests.reliability.small", **environment)
    yield made
    made.close()


@pytest.mark.soak
def test_the_clock_is_set_a_day_forward_and_back(runs: Runs, row: Row, server: ForkServer, clock: Clock) -> None:
    # On a busy machine a waiting process is late whatever the clock shows; the jump of a day is 86,400 s.
    row("clock set forward and back by a day", "same digest; budget accurate to 10 s, across a resume")
    rng, worst = random.Random(), 0.0
    for _ in range(count(1, 20)):
        directory, process = runs.folder / "run", None
        for shift in (DAY, -DAY, 0):
            process = runs.start(directory, 0.02)
            time.sleep(rng.uniform(0.02, 0.15))
            clock.set(shift)
            time.sleep(rng.uniform(0.0, 0.1))
            process.kill()
            process.wait()
        runs.finish(directory)
        runs.shut(directory)

        # Runs 0.6 s, then up to 1.2 s in all, while the clock jumps; the space has more networks than that can try.
        for shift, seconds, more in ((DAY, 0.6, 0.6), (-DAY, 1.2, 0.6)):
            process = server.start("tests.reliability.small:main", directory, 0.05, seconds)
            time.sleep(0.3)
            clock.set(shift)
            assert process.wait() == 0, process.text()
            found = re.search(r"spent ([\d.e-]+) recorded ([\d.e-]+)", process.text())
            assert found is not None
            worst = max(worst, abs(float(found[1]) - more), abs(float(found[2]) - seconds))
        assert worst < 10.0
        clock.set(0)
        runs.shut(directory)
        row.count += 1
    row.notes = f"budget off by {worst:.2f} s at most"


def test_the_clock_of_the_test_can_be_set(server: ForkServer, clock: Clock) -> None:
    clock.set(DAY)
    process = server.start("tests.reliability.test_clock:say_time")
    assert process.wait() == 0
    assert abs(float(process.text()) - time.time() - DAY) < DAY / 100
    clock.set(0)


def say_time() -> None:
    print(time.time())
