"""Runs models of Python for a Millwright server: version 1 of the protocol in docs/serving-isolation.md.

Needs Python 3.9 and nothing else; where numpy is there, tensors are numpy's arrays. A program of a worker:

    from millwright_worker import serve

    class Doubler:
        def predict(self, inputs):
            return {"y": inputs["x"] * 2}

    serve({"doubler": lambda directory, manifest: Doubler()})

and the server's side of it: isolatedRuntime({ formats: ["doubler"], command: pythonCommand("/path/doubler.py") }).
"""

import array
import json
import os
import queue
import runpy
import struct
import sys
import threading

try:
    import numpy
except ImportError:
    numpy = None

PROTOCOL = 1
MAGIC = b"MWF1"
# The code of array.array for each type; texts are apart.
CODES = {
    "bool": "B", "int8": "b", "int16": "h", "int32": "i", "int64": "q", "uint8": "B",
    "uint16": "H", "uint32": "I", "uint64": "Q", "float32": "f", "float64": "d",
}


class Tensor:
    """A tensor where numpy is absent, and for texts: `data` is flat, in row-major order."""

    def __init__(self, dtype, shape, data):
        self.dtype = dtype
        self.shape = tuple(shape)
        self.data = data


class MillwrightError(Exception):
    """An error that the server passes on by its code: `category` is user, data, transient, capacity, quota or bug."""

    def __init__(self, code, message, category="bug", remedy="See docs/errors.md.", retryable=False):
        super().__init__(message)
        self.code, self.category, self.remedy, self.retryable = code, category, remedy, retryable


def _text_pieces(packed):
    at = 0
    while at < len(packed):
        (length,) = struct.unpack_from("<I", packed, at)
        yield bytes(packed[at + 4 : at + 4 + length]).decode("utf-8")
        at += 4 + length


def unpack_tensors(entries, body):
    """Tensors by name: numpy arrays (of objects for texts) where numpy is there, else `Tensor`s."""
    tensors = {}
    for entry in entries:
        piece = memoryview(body)[entry["offset"] : entry["offset"] + entry["sizeBytes"]]
        dtype, shape = entry["dtype"], entry["shape"]
        if dtype == "string":
            texts = list(_text_pieces(piece))
            value = numpy.array(texts, dtype=object).reshape(shape) if numpy else Tensor(dtype, shape, texts)
        elif numpy:
            value = numpy.frombuffer(piece, dtype=dtype).reshape(shape)
        else:
            value = Tensor(dtype, shape, array.array(CODES[dtype], bytes(piece)))
        tensors[entry["name"]] = value
    return tensors


def _packed(name, value):
    if isinstance(value, Tensor):
        if value.dtype == "string":
            return "string", value.shape, _pack_texts(value.data)
        data = value.data if isinstance(value.data, array.array) else array.array(CODES[value.dtype], value.data)
        return value.dtype, value.shape, data.tobytes()
    if numpy is None:
        raise TypeError(f'the output "{name}" is no Tensor')
    values = numpy.ascontiguousarray(value)
    if values.dtype.kind in "OU":
        return "string", values.shape, _pack_texts(values.ravel())
    dtype = values.dtype.name
    if dtype not in CODES:
        raise TypeError(f'the output "{name}" has the type {dtype}, which is none of {", ".join(CODES)}')
    return dtype, numpy.shape(value), values.tobytes()


def _pack_texts(texts):
    pieces = [str(text).encode("utf-8") for text in texts]
    return b"".join(struct.pack("<I", len(piece)) + piece for piece in pieces)


def pack_tensors(tensors):
    """Entries and the body of a frame: each tensor begins at a multiple of 8 bytes."""
    entries, parts, size = [], [], 0
    for name, value in tensors.items():
        dtype, shape, data = _packed(name, value)
        entries.append(
            {"name": name, "dtype": dtype, "shape": list(shape), "offset": size, "sizeBytes": len(data)}
        )
        padding = -len(data) % 8
        parts += [data, bytes(padding)]
        size += len(data) + padding
    return entries, b"".join(parts)


def _memory():
    memory = {}
    try:
        with open("/proc/self/statm", encoding="ascii") as file:
            memory["rssBytes"] = int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError):
        pass
    try:
        import resource

        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        memory["peakBytes"] = peak if sys.platform == "darwin" else peak * 1024
    except ImportError:
        pass
    return memory


def _wire_error(error):
    told = {"name": type(error).__name__, "message": str(error) or type(error).__name__}
    if isinstance(error, MillwrightError):
        told.update(code=error.code, category=error.category, remedy=error.remedy, retryable=error.retryable)
    return told


class _Worker:
    def __init__(self, loaders):
        self.loaders = loaders
        self.models = {}
        self.cancelled = set()
        self.work = queue.SimpleQueue()
        self.writing = threading.Lock()
        # Standard output belongs to the frames: what models print goes beside them.
        self.output = os.fdopen(os.dup(1), "wb", buffering=0)
        os.dup2(2, 1)
        self.input = os.fdopen(os.dup(0), "rb")

    def post(self, header, body=b""):
        text = json.dumps(header).encode("utf-8")
        frame = b"".join([MAGIC, struct.pack("<II", len(text), len(body)), text, body])
        with self.writing:
            view = memoryview(frame)
            while view:
                view = view[self.output.write(view) :]

    def exactly(self, size):
        data = self.input.read(size)
        if len(data) < size:
            # The server is gone.
            os._exit(0)
        return data

    def read(self):
        """In a thread of its own: answers pings while a model computes, and ends the process with the server's."""
        while True:
            prefix = self.exactly(12)
            if prefix[:4] != MAGIC:
                os._exit(1)
            header_bytes, body_bytes = struct.unpack("<II", prefix[4:])
            header = json.loads(self.exactly(header_bytes))
            body = self.exactly(body_bytes) if body_bytes else b""
            kind = header["type"]
            if kind == "ping":
                self.post({"type": "answer", "id": header["id"], "memory": _memory()})
            elif kind == "cancel":
                self.cancelled.add(header["id"])
            elif kind == "exit":
                os._exit(0)
            else:
                self.work.put((header, body))

    def run(self):
        threading.Thread(target=self.read, daemon=True).start()
        while True:
            header, body = self.work.get()
            if header["type"] == "hello":
                self.greet(header["protocol"])
                continue
            try:
                self.post(*getattr(self, "_" + header["type"])(header, body))
            except Exception as error:  # whatever a model throws is an answer
                self.post({"type": "error", "id": header["id"], "error": _wire_error(error)})

    def greet(self, protocol):
        if protocol == PROTOCOL:
            self.post({"type": "hello", "protocol": PROTOCOL, "formats": list(self.loaders)})
            return
        message = f"The server speaks version {protocol} of the protocol, this worker version {PROTOCOL}."
        self.post({"type": "failed", "error": {"message": message}})
        os._exit(1)

    def _load(self, header, _):
        manifest = header["manifest"]
        loader = self.loaders.get(manifest["format"])
        if loader is None:
            raise ValueError(f'This worker does not load the format "{manifest["format"]}".')
        before = _memory()
        model = loader(header["directory"], manifest)
        self.models[header["model"]] = model
        loaded = {"memoryBytes": int(getattr(model, "memory_bytes", 0)), "before": before, "after": _memory()}
        return ({"type": "answer", "id": header["id"], "loaded": loaded},)

    def _dispose(self, header, _):
        model = self.models.pop(header["model"], None)
        if hasattr(model, "dispose"):
            model.dispose()
        return ({"type": "answer", "id": header["id"]},)

    def _predict(self, header, body):
        if header["id"] in self.cancelled:
            self.cancelled.discard(header["id"])
            raise InterruptedError("the request was cancelled")
        model = self.models[header["model"]]
        entries, packed = pack_tensors(model.predict(unpack_tensors(header["tensors"], body)))
        return {"type": "answer", "id": header["id"], "tensors": entries}, packed


def serve(loaders):
    """Serves until the server is gone. `loaders`: by format, what makes a model from its directory and its manifest; a model has
    `predict(inputs) -> outputs`, and may have `dispose()` and `memory_bytes`."""
    _Worker(loaders).run()


if __name__ == "__main__":
    # As a launcher, so that programs find this module without an installation.
    sys.modules["millwright_worker"] = sys.modules["__main__"]
    sys.argv = sys.argv[1:]
    if not sys.argv:
        sys.exit("usage: millwright_worker.py PROGRAM [ARGUMENT ...]")
    sys.path.insert(0, os.path.dirname(os.path.abspath(sys.argv[0])))
    runpy.run_path(sys.argv[0], run_name="__main__")
