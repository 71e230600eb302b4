import type { KernelFunc, NamedTensorInfoMap, TensorInfo } from "@tensorflow/tfjs-core";
import { operationAbsent } from "../errors.ts";
import type { TensorFlow } from "../tensorflow.ts";
import { poolWindows, replaceKernel } from "./register.ts";

const mark = Symbol.for("millwright.tfjs.mended");

/**
 * The backend's own gradient of average pooling, right at the borders too: it shares each window's gradient among all its pixels, those of the
 * padding with them, so the gradient is made larger beforehand by the window's size over its pixels inside the image. All of it stays on the device.
 */
function scaledPoolGradient(tf: TensorFlow, kernelName: string): KernelFunc {
  const own = tf.getKernel(kernelName, "webgpu")?.kernelFunc as (KernelFunc & { [mark]?: true }) | undefined;
  if (own === undefined) throw operationAbsent(kernelName);
  if (own[mark] === true) return own;
  const mended: KernelFunc = ({ inputs, backend, attrs = {} }) => {
    const { dy, input } = inputs as NamedTensorInfoMap as { readonly dy: TensorInfo; readonly input: TensorInfo };
    const { taken } = poolWindows(tf, attrs, input.shape);
    const filter = [attrs["filterSize"] as number | number[]].flat();
    const axes = dy.shape.length - 2;
    const size =
      filter.length === 1 ? (filter[0] as number) ** axes : filter.reduce((product, each) => product * each, 1);
    const factors = taken[0].flatMap((zs) =>
      taken[1].flatMap((ys) => taken[2].map((xs) => size / (zs.length * ys.length * xs.length))),
    );
    if (factors.every((factor) => factor === 1)) return own({ inputs, backend, attrs });
    const shape = [1, ...dy.shape.slice(1, -1), 1];
    const held = backend as unknown as {
      write(values: Float32Array, shape: number[], dtype: "float32"): object;
      disposeData(dataId: object): void;
    };
    const factor: TensorInfo = {
      dataId: held.write(Float32Array.from(factors), shape, "float32"),
      shape,
      dtype: "float32",
    };
    const multiply = tf.getKernel("Multiply", "webgpu").kernelFunc;
    const scaled = multiply({ inputs: { a: dy, b: factor }, backend }) as TensorInfo;
    const result = own({ inputs: { dy: scaled, input }, backend, attrs });
    held.disposeData(factor.dataId);
    held.disposeData(scaled.dataId);
    return result;
  };
  return Object.assign(mended, { [mark]: true as const });
}

/**
 * Replaces the kernels of the WebGPU backend that are wrong.
 * @returns the names of the kernels replaced.
 */
export function mendWebGpu(tf: TensorFlow): readonly string[] {
  const names = ["AvgPoolGrad", "AvgPool3DGrad"];
  for (const name of names) replaceKernel(tf, name, "webgpu", scaledPoolGradient(tf, name));
  return names;
}
