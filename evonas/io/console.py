"""Output of text without control sequences to streams of any encoding, including closed ones."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import IO

from evonas.io.printable import printable
from genomes.errors import InputError

__all__ = ["flush_streams", "say", "say_data", "say_lines", "steady_streams"]
__all__ += ["without_library_messages"]


def steady_streams() -> None:
    """Makes standard output and error escape unencodable characters, and replaces closed streams by the null device."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115
        elif hasattr(stream, "reconfigure"):
            with suppress(ValueError, OSError):
                stream.reconfigure(errors="backslashreplace")


@contextmanager
def without_library_messages() -> Iterator[None]:
    """Withholds messages that libraries write to standard error's descriptor, as TensorFlow does while being imported.

    If an error other than a user's mistake ends the block, all messages are written, since they may explain it.
    """
    import tempfile

    try:
        kept = os.dup(2)
    except OSError:  # no standard error
        yield
        return
    with tempfile.TemporaryFile() as messages:
        try:
            sys.stderr.flush()
            os.dup2(messages.fileno(), 2)
            yield
        except InputError:
            raise
        except BaseException:
            messages.seek(0)
            os.write(kept, messages.read())
            raise
        finally:
            sys.stderr.flush()
            os.dup2(kept, 2)
            os.close(kept)


def flush_streams() -> bool:
    """Flushes the standard streams. Returns whether everything was written; the rest is discarded."""
    done = True
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError):
            done = False
            with suppress(OSError, ValueError):
                void = os.open(os.devnull, os.O_WRONLY)
                os.dup2(void, stream.fileno())
                os.close(void)
    return done


def say(text: str, stream: IO[str] | None = None) -> None:
    """Prints lines, escaping unprintable characters."""
    print("\n".join(map(printable, text.split("\n"))), file=stream or sys.stdout, flush=True)


def say_data(text: str) -> None:
    """Prints rows of data: unchanged into a file or a pipe, escaped on a terminal."""
    if sys.stdout.isatty():
        say(text)
    else:
        print(text, flush=True)


def say_lines(*lines: object, stream: IO[str] | None = None) -> None:
    """Prints each value as one line, escaping characters that the stream does not support; ignores a closed stream."""
    stream = stream or sys.stdout
    encoding = getattr(stream, "encoding", None) or "utf-8"
    text = "\n".join(map(printable, lines))
    with suppress(OSError, ValueError):
        print(text.encode(encoding, "backslashreplace").decode(encoding), file=stream, flush=True)
