"""A MATLAB 5 file (.mat of version 5 to 7) -> one of its structures, {field: array or text}.

SciPy reads such files, but a damaged one can crash the whole process (SciPy 1.17: a segmentation fault
within a few thousand random byte changes), and no error can be caught then. The little of the format that
CPSC 2018 needs (a 1 x 1 structure of numbers and text) is read here instead, every length checked against
the bytes that are there; on whole files the tests compare it with SciPy. Format: MathWorks, "MAT-File
Format".
"""

import struct
import zlib
from collections.abc import Iterator
from math import prod

import numpy as np

_TYPES = {
    1: "i1",
    2: "u1",
    3: "i2",
    4: "u2",
    5: "i4",
    6: "u4",
    7: "f4",
    9: "f8",
    12: "i8",
    13: "u8",
    16: "u1",
    17: "u2",
}
"""NumPy type of each element type that holds numbers or characters (UTF-8 and UTF-16 as their bytes)."""
_MATRIX, _COMPRESSED = 14, 15
_STRUCT, _CHAR, _NUMERIC = 2, 4, range(6, 16)
"""Classes of arrays."""
_MAX_BYTES = 1 << 28
"""No variable decompresses to more than this."""


def read_struct(raw: bytes, name: str) -> dict[str, np.ndarray | str]:
    """The 1 x 1 structure called `name` in the bytes of a file; numbers keep MATLAB's shape.

    Raises:
        ValueError: no MATLAB 5 file, damaged, or without such a structure.
    """
    if raw[:8] == b"\x89HDF\r\n\x1a\n" or raw[:10] == b"MATLAB 7.3":
        raise ValueError("a MATLAB 7.3 file; save it with -v7")
    order = {b"IM": "<", b"MI": ">"}.get(raw[126:128])
    if order is None:
        raise ValueError("not a MATLAB 5 file")
    found = []
    for kind, data in _elements(raw[128:], order):
        if kind == _COMPRESSED:
            kind, data = next(_elements(_decompress(data), order), (0, b""))
        if kind != _MATRIX:
            continue
        variable, value = _array(data, order)
        if variable == name and isinstance(value, dict):
            return value
        found.append(variable)
    raise ValueError(f"no structure {name} among its variables: {', '.join(found) or 'none'}")


def _elements(data: bytes, order: str) -> Iterator[tuple[int, bytes]]:
    """(type, bytes) of the elements that follow one another in `data`."""
    at = 0
    while at < len(data):
        if at + 8 > len(data):
            raise ValueError("cut short")
        kind, size = struct.unpack_from(f"{order}II", data, at)
        start = at + 8
        if kind >> 16:  # an element of at most 4 bytes, packed into its tag
            kind, size, start = kind & 0xFFFF, kind >> 16, at + 4
            if size > 4:
                raise ValueError("damaged: an element of a wrong size")
        if start + size > len(data):
            raise ValueError("cut short, or damaged")
        yield kind, data[start : start + size]
        at = start + size
        if kind != _COMPRESSED:
            at += -at % 8  # relative to a start that is itself a multiple of 8


def _array(data: bytes, order: str) -> tuple[str, np.ndarray | str | dict]:
    """(name, value) of a matrix element; {field: value} of a structure; an empty array of a class not read
    here."""
    parts = list(_elements(data, order))
    if not parts:
        return "", np.empty((0, 0))
    if len(parts) < 3:
        raise ValueError("damaged: an array without dimensions or name")
    flags, shape = _numbers(*parts[0], order), _numbers(*parts[1], order)
    name = parts[2][1].decode("ascii", errors="replace")
    if not len(flags) or not 2 <= len(shape) <= 8 or min(shape) < 0:
        raise ValueError(f"damaged: array {name!r} without flags or dimensions")
    kind, size = int(flags[0]) & 0xFF, prod(int(n) for n in shape)
    if kind == _STRUCT:
        return name, _fields(name, size, parts[3:], order)
    if kind != _CHAR and kind not in _NUMERIC:
        return name, np.empty((0, 0))
    values = _numbers(*parts[3], order) if len(parts) > 3 else np.empty(0)
    if kind == _CHAR:
        return name, "".join(map(chr, values.astype(int) & 0xFFFF))
    if len(values) != size:
        raise ValueError(f"damaged: array {name!r} of {size} numbers has {len(values)}")
    return name, values.reshape([int(n) for n in shape], order="F")


def _fields(name: str, size: int, parts: list[tuple[int, bytes]], order: str) -> dict[str, np.ndarray | str]:
    width = _numbers(*parts[0], order) if parts else np.empty(0)
    if size != 1 or len(parts) < 2 or len(width) != 1 or not 0 < width[0] <= 64:
        raise ValueError(f"structure {name!r} is damaged, or not 1 x 1")
    width = int(width[0])
    names = [parts[1][1][at : at + width] for at in range(0, len(parts[1][1]), width)]
    names = [field.split(b"\0")[0].decode("ascii", errors="replace") for field in names]
    values = parts[2:]
    if len(values) != len(names) or any(kind != _MATRIX for kind, _ in values):
        raise ValueError(f"damaged: structure {name!r} of {len(names)} fields has {len(values)}")
    fields = {}
    for field, (_, data) in zip(names, values, strict=True):
        value = _array(data, order)[1]
        fields[field] = np.empty((0, 0)) if isinstance(value, dict) else value  # no nested structures
    return fields


def _numbers(kind: int, data: bytes, order: str) -> np.ndarray:
    if kind not in _TYPES:
        raise ValueError(f"damaged: an element of type {kind} where numbers are due")
    dtype = np.dtype(order + _TYPES[kind])
    return np.frombuffer(data[: len(data) // dtype.itemsize * dtype.itemsize], dtype)


def _decompress(data: bytes) -> bytes:
    stream = zlib.decompressobj()
    try:
        plain = stream.decompress(data, _MAX_BYTES)
    except zlib.error as error:
        raise ValueError(f"damaged: {error}") from error
    if not stream.eof:
        raise ValueError("cut short, or damaged")
    return plain
