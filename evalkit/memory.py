"""Memory that is free but that the C library keeps."""

import contextlib
import ctypes


def give_back() -> None:
    """Return freed memory to the system, where the C library can (glibc).

    A worker's songs, and the threads in which windows are heard, come and go; of the heaps they leave behind little is
    given back otherwise, and a process grows with every group of songs.
    """
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)
