"""What the lists of hostile files share: a row is one file that somebody might send, the command that a user would give, and
words that the one sentence of the answer must hold."""
import struct

ROWS = []


def row(what, files, command, says):
    """files: name -> bytes, a function that makes them (of large ones), ("link", target) or ("pipe",). command: words behind
    nilu."""
    ROWS.append((what, files, command.split(), says))


def le(fmt, *values):
    return struct.pack("<" + fmt, *values)


def be(fmt, *values):
    return struct.pack(">" + fmt, *values)


HUGE = (1 << 63) - 1
