import type { DataId, KernelBackend, KernelFunc, TensorInfo } from "@tensorflow/tfjs-core";
import { operationAbsent } from "../errors.ts";
import type { TensorFlow } from "../tensorflow.ts";

type Copying = Pick<KernelBackend, "readSync" | "write" | "disposeData">;

/**
 * Runs a kernel of the plain JavaScript backend for another backend: copies the inputs over, runs it, copies the outputs back.
 * Throws `TFJS_KERNEL_REFUSED` where the JavaScript backend has no such kernel: another version of TensorFlow.js is installed.
 */
export function borrowKernel(tf: TensorFlow, kernelName: string): KernelFunc {
  const lender = tf.getKernel(kernelName, "cpu");
  if (lender == null) throw operationAbsent(kernelName);
  return ({ inputs, backend, attrs }) => {
    const ours = backend as Copying;
    const theirs = tf.findBackend("cpu") as KernelBackend;
    const copies: DataId[] = [];
    const lend = (info: TensorInfo): TensorInfo => {
      const dataId = theirs.write(ours.readSync(info.dataId), info.shape, info.dtype);
      copies.push(dataId);
      // Some kernels ask for the rank, which only whole tensors have.
      return { dataId, shape: info.shape, dtype: info.dtype, rank: info.shape.length } as TensorInfo;
    };
    const giveBack = (info: TensorInfo): TensorInfo => {
      const dataId = ours.write(theirs.readSync(info.dataId), info.shape, info.dtype);
      theirs.disposeData(info.dataId);
      return { dataId, shape: info.shape, dtype: info.dtype };
    };
    const lent = Array.isArray(inputs)
      ? (inputs as TensorInfo[]).map(lend)
      : Object.fromEntries(
          Object.entries(inputs).map(([name, info]) => [name, info === undefined ? info : lend(info)]),
        );
    const outputs = lender.kernelFunc({
      inputs: lent as typeof inputs,
      backend: theirs,
      ...(attrs === undefined ? {} : { attrs }),
    });
    const returned = Array.isArray(outputs) ? outputs.map(giveBack) : giveBack(outputs);
    for (const dataId of copies) theirs.disposeData(dataId);
    return returned;
  };
}
