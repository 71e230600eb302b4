"""Where river's detectors, with their defaults, detect on recorded streams: python river_detect.py STREAM.jsonl COUNT, one JSON line for each of the last COUNT streams."""

import base64
import json
import sys

from river import drift

detectors = {
    "river PageHinkley, both ways": lambda: drift.PageHinkley(),
    "river ADWIN": lambda: drift.ADWIN(),
    "river DDM": lambda: drift.binary.DDM(),
    "river EDDM": lambda: drift.binary.EDDM(),
    "river HDDM_A": lambda: drift.binary.HDDMA(),
    "river HDDM_W": lambda: drift.binary.HDDMW(),
    "river FHDDM": lambda: drift.binary.FHDDM(),
}
with open(sys.argv[1], encoding="utf-8") as file:
    streams = [json.loads(line) for line in file][-int(sys.argv[2]):]
for stream in streams:
    data = base64.b64decode(stream["bits"])
    errors = [(data[index // 8] >> (index % 8)) & 1 for index in range(stream["length"])]
    found = {}
    for name, make in detectors.items():
        detector, found[name] = make(), []
        for index, error in enumerate(errors):
            detector.update(1 - error if name == "river FHDDM" else error)
            if detector.drift_detected:
                found[name].append(index)
    print(json.dumps({"kind": stream["kind"], "seed": stream["seed"], "found": found}))
