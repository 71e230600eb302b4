"""Servers of the Python world around one ONNX model, each as its documentation shows it: serve.py KIND MODEL PORT."""

import os
import sys

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ.setdefault(name, "1")

import numpy as np
import onnxruntime


def session_of(path):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])


class Model:
    def __init__(self, path):
        self.session = session_of(path)
        self.input = self.session.get_inputs()[0].name
        self.output = self.session.get_outputs()[0].name

    def __call__(self, rows):
        return self.session.run([self.output], {self.input: np.asarray(rows, dtype=np.float32)})[0]


def fastapi(path, port):
    import uvicorn
    from fastapi import FastAPI
    from pydantic import BaseModel

    class Body(BaseModel):
        instances: list[list[float]]

    app = FastAPI()
    model = Model(path)

    @app.post("/invocations")
    async def invoke(body: Body):
        return {"predictions": model(body.instances).tolist()}

    uvicorn.run(app, host="127.0.0.1", port=port, log_level="error", access_log=False)


def ray(path, port):
    import ray as ray_core
    from ray import serve
    from starlette.requests import Request

    ray_core.init(num_cpus=1, include_dashboard=False, log_to_driver=False)
    serve.start(http_options={"host": "127.0.0.1", "port": port})

    @serve.deployment(num_replicas=1, max_ongoing_requests=200, ray_actor_options={"num_cpus": 0.5})
    class Served:
        def __init__(self):
            self.model = Model(path)

        @serve.batch(max_batch_size=64, batch_wait_timeout_s=0.001)
        async def many(self, rows):
            return list(self.model(rows))

        async def __call__(self, request: Request):
            body = await request.json()
            return {"predictions": [(await self.many(body["instances"][0])).tolist()]}

    serve.run(Served.bind(), route_prefix="/invocations")
    import time

    while True:
        time.sleep(3600)


def kserve(path, port):
    import kserve as ks

    class Served(ks.Model):
        def __init__(self):
            super().__init__("mlp")
            self.model = Model(path)
            self.ready = True

        async def predict(self, payload, headers=None, response_headers=None):
            return {"predictions": self.model(payload["instances"]).tolist()}

    ks.ModelServer(http_port=port, enable_grpc=False, workers=1, access_log_format=None).start([Served()])


if __name__ == "__main__":
    kind, path, port = sys.argv[1:4]
    globals()[kind](path, int(port))
