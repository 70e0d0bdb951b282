"""`check_by_trial`: a trial read of a workbook in a binary format, in a separate process with limited memory and time.

Only the parser knows the size of an Excel 97 or binary workbook (.xls, .xlsb); it allocates whole sheets up to the last
cell, and aborts the process if memory runs out.
"""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path

from genomes.errors import InputError

__all__ = ["check_by_trial"]

#: Limits on memory in bytes and processor time in seconds: a constant, and an amount per byte of the file.
LEAST_MEMORY, MEMORY_TIMES = 512 << 20, 10
_LEAST_SECONDS, _BYTES_A_SECOND = 3, 1 << 20
_FAILED = 3

_PROGRAM = f"""
import io, resource, sys
folder, memory, seconds = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds))
sys.path.append(folder)
import python_calamine
try:
    book = python_calamine.CalamineWorkbook.from_filelike(io.BytesIO(sys.stdin.buffer.read()))
    for name in book.sheet_names:
        if len(book.get_sheet_by_name(name).to_python(skip_empty_area=True)) > 1:
            break
except MemoryError:
    sys.exit(-1)
except BaseException as error:  # its panics are not Exceptions
    print((str(error).strip() or type(error).__name__).splitlines()[0][:200])
    sys.exit({_FAILED})
"""


def check_by_trial(data: bytes, path: Path) -> None:
    """Rejects a binary workbook that cannot be read within the limits; other formats are not checked.

    Raises:
        InputError: the workbook cannot be read, or only with more memory or time than its size justifies.
    """
    if data.startswith(b"PK") and b"workbook.bin" not in data.lower():
        return
    spec = importlib.util.find_spec("python_calamine")
    if spec is None or spec.origin is None:
        return
    folder = str(Path(spec.origin).parent.parent)
    memory = LEAST_MEMORY + MEMORY_TIMES * len(data)
    seconds = _LEAST_SECONDS + len(data) // _BYTES_A_SECOND
    done = subprocess.run(
        [sys.executable, "-I", "-c", _PROGRAM, folder, str(memory), str(seconds)],
        input=data,
        capture_output=True,
        env={"RUST_BACKTRACE": "0"},
        check=False,
    )
    if done.returncode == _FAILED:
        reason = done.stdout.decode(errors="replace").strip()
        raise InputError(f"{path} must be a whole Excel workbook, but: {reason}; save the table as CSV")
    if done.returncode:
        raise InputError(
            f"{path} must be read with at most {memory >> 20:,} MB and {seconds} s of processor time, but takes more: "
            "delete cells far below or beside the table, or save it as .xlsx or CSV"
        )
