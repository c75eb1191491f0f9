# SPDX-License-Identifier: MIT OR Apache-2.0
"""The golden model of a generated register file, cycle by cycle, through libatomik.

    model = Model("atomik_regfile_w8_d16_l2.json")
    model.clock(rst=1)
    model.clock(cmd_valid=0b01, cmd_op=LOAD, cmd_addr=3, cmd_data=0xFF)
    model.rsp_valid, model.rsp_data   # the outputs in the next cycle

It needs only Python and the library: the file named by ATOMIK_LIBRARY, or libatomik where the
system looks for libraries. Latency and time to clear are those of the manifest.
"""

import ctypes
import ctypes.util
import os

NOP, LOAD, ACCUM, READ, SWAP, DELTA, DRAIN = range(7)

# What each function returns and takes.
_MODEL = ctypes.c_void_p
_U32, _U64, _BOOL = ctypes.c_uint32, ctypes.c_uint64, ctypes.c_bool
_STATUS = ctypes.c_int
_FUNCTIONS = {
    "atomik_last_error": (ctypes.c_char_p, []),
    "atomik_version": (ctypes.c_char_p, []),
    "atomik_model_open": (_STATUS, [ctypes.c_char_p, ctypes.POINTER(_MODEL)]),
    "atomik_model_free": (None, [_MODEL]),
    "atomik_model_width": (_U32, [_MODEL]),
    "atomik_model_depth": (_U32, [_MODEL]),
    "atomik_model_lanes": (_U32, [_MODEL]),
    "atomik_model_latency": (_U32, [_MODEL]),
    "atomik_model_clear_cycles": (_U32, [_MODEL]),
    "atomik_model_set_cmd_addr": (_STATUS, [_MODEL, _U32, _U64]),
    "atomik_model_set_cmd_data": (_STATUS, [_MODEL, _U32, _U64]),
    "atomik_model_clock": (_STATUS, [_MODEL, _BOOL, _U32, _U32]),
    "atomik_model_defined": (_BOOL, [_MODEL]),
    "atomik_model_ready": (_BOOL, [_MODEL]),
    "atomik_model_rsp_valid": (_BOOL, [_MODEL]),
    "atomik_model_rsp_clean": (_BOOL, [_MODEL]),
    "atomik_model_rsp_data": (_U64, [_MODEL, _U32]),
}
# The major and minor version of the library that these functions are from.
_VERSION = "0.1."


class AtomikError(Exception):
    """The library is missing, or refused a call; the message says why."""


def load(path=None):
    """The library at `path`, by default the one that the head of this file describes."""
    path = path or os.environ.get("ATOMIK_LIBRARY") or ctypes.util.find_library("atomik")
    if not path:
        raise AtomikError(
            "libatomik is missing: run `make c-library`, and name the file in ATOMIK_LIBRARY"
        )
    try:
        library = ctypes.CDLL(os.fspath(path))
        for name, (result, arguments) in _FUNCTIONS.items():
            function = getattr(library, name)
            function.restype, function.argtypes = result, arguments
    except (OSError, AttributeError) as error:
        raise AtomikError(f"{path} is not libatomik: {error}") from error
    version = library.atomik_version().decode()
    if not version.startswith(_VERSION):
        raise AtomikError(f"{path} has version {version}, but this file needs {_VERSION}x")
    return library


class Model:
    """The register file whose manifest is the file `manifest`, the NAME.json next to the Verilog.

    Packed ports are integers, with lane 0 in the low bits. Use it as a context manager, or leave
    it to the garbage collector.
    """

    def __init__(self, manifest, library=None):
        self._model = _MODEL()
        self._library = load(library)
        self._check(
            self._library.atomik_model_open(os.fsencode(manifest), ctypes.byref(self._model))
        )
        size = lambda name: getattr(self._library, f"atomik_model_{name}")(self._model)
        self.width = size("width")
        self.depth = size("depth")
        self.lanes = size("lanes")
        self.latency = size("latency")
        self.clear_cycles = size("clear_cycles")
        self._addr_bits = self.lanes * (self.depth - 1).bit_length()
        self._data_bits = self.lanes * self.width

    def close(self):
        """Frees the model."""
        model, self._model = self._model, _MODEL()
        if model:
            self._library.atomik_model_free(model)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def __del__(self):
        if getattr(self, "_model", None):
            self.close()

    def _check(self, status):
        if status != 0:
            raise AtomikError(self._library.atomik_last_error().decode())

    def _set(self, port, bits, value):
        """Sets a packed port of `bits` bits."""
        if value < 0 or value >> bits:
            raise AtomikError(f"{port}: {value:#x} does not fit its {bits} bits")
        function = getattr(self._library, f"atomik_model_set_{port}")
        for word in range((bits + 63) // 64):
            self._check(function(self._model, word, value >> 64 * word & (1 << 64) - 1))

    def clock(self, rst=0, cmd_valid=0, cmd_op=NOP, cmd_addr=0, cmd_data=0):
        """Ends the current cycle, in which the input ports had these values."""
        self._set("cmd_addr", self._addr_bits, cmd_addr)
        self._set("cmd_data", self._data_bits, cmd_data)
        self._check(self._library.atomik_model_clock(self._model, bool(rst), cmd_valid, cmd_op))

    @property
    def defined(self):
        """Whether outputs are defined: they are from the cycle after the first with `rst` high."""
        return self._library.atomik_model_defined(self._model)

    @property
    def ready(self):
        """`ready` in the current cycle."""
        return self._library.atomik_model_ready(self._model)

    @property
    def rsp_valid(self):
        """`rsp_valid` in the current cycle."""
        return self._library.atomik_model_rsp_valid(self._model)

    @property
    def rsp_clean(self):
        """`rsp_clean` in the current cycle; without meaning unless `rsp_valid` is high."""
        return self._library.atomik_model_rsp_clean(self._model)

    @property
    def rsp_data(self):
        """`rsp_data` in the current cycle; without meaning unless `rsp_valid` is high."""
        word = lambda i: self._library.atomik_model_rsp_data(self._model, i)
        return sum(word(i) << 64 * i for i in range((self.width + 63) // 64))
