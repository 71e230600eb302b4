"""Saves the ONNX model as MLflow serves it: save_mlflow.py MODEL FOLDER."""

import sys

import mlflow.pyfunc


class Onnx(mlflow.pyfunc.PythonModel):
    def load_context(self, context):
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        self.session = onnxruntime.InferenceSession(context.artifacts["model"], options, providers=["CPUExecutionProvider"])
        self.input = self.session.get_inputs()[0].name
        self.output = self.session.get_outputs()[0].name

    def predict(self, context, model_input, params=None):
        import numpy as np

        return self.session.run([self.output], {self.input: np.asarray(model_input, dtype=np.float32)})[0]


mlflow.pyfunc.save_model(sys.argv[2], python_model=Onnx(), artifacts={"model": sys.argv[1]}, pip_requirements=[])
