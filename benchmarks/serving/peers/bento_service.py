"""BentoML's service, with its adaptive batching: `bentoml serve bento_service:Mlp`."""

import os

import bentoml
import numpy as np
import onnxruntime


@bentoml.service(workers=1, traffic={"timeout": 60, "max_concurrency": 1000})
class Mlp:
    def __init__(self):
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        self.session = onnxruntime.InferenceSession(os.environ["MODEL"], options, providers=["CPUExecutionProvider"])
        self.input = self.session.get_inputs()[0].name
        self.output = self.session.get_outputs()[0].name

    @bentoml.api(batchable=True, max_batch_size=64, max_latency_ms=1000, route="/invocations")
    def invocations(self, instances: np.ndarray) -> np.ndarray:
        return self.session.run([self.output], {self.input: instances.astype(np.float32)})[0]
