import type { Rank, Tensor, Tensor3D, Tensor4D, Tensor5D } from "@tensorflow/tfjs-core";
import { beforeAll, describe, expect, test } from "vitest";
import { openTfjs, type TensorFlow } from "../src/index.ts";

/** What each gradient is checked on: a function of `x`, itself of shape [2, 5, 5, 2]. */
type Function = (tf: TensorFlow, x: Tensor4D) => Tensor;

const drawn = <R extends Rank>(tf: TensorFlow, shape: number[]): Tensor<R> =>
  tf.randomNormal(shape, 0, 1, "float32", 7) as unknown as Tensor<R>;
const volume = (tf: TensorFlow, x: Tensor): Tensor5D => tf.reshape(x, [1, 5, 5, 2, 2]) as Tensor5D;

const functions: Readonly<Record<string, Function>> = {
  "dense: matMul by its input": (tf, x) => tf.matMul(tf.reshape(x, [10, 10]), drawn(tf, [10, 3])),
  "dense: matMul by its kernel": (tf, x) => tf.matMul(drawn(tf, [4, 10]), tf.reshape(x, [10, 10])),
  "conv2d by its input, stride 2": (tf, x) => tf.conv2d(x, drawn<Rank.R4>(tf, [3, 3, 2, 3]), 2, "same"),
  "conv2d by its filter": (tf, x) =>
    tf.conv2d(drawn<Rank.R4>(tf, [3, 7, 7, 2]), tf.reshape(x, [5, 5, 2, 2]), 1, "same"),
  "conv2d by its filter, strides 2 and 1, no padding": (tf, x) =>
    tf.conv2d(drawn<Rank.R4>(tf, [3, 8, 7, 5]), tf.reshape(x, [2, 2, 5, 5]), [2, 1], "valid"),
  "conv2dTranspose by its input": (tf, x) =>
    tf.conv2dTranspose(x, drawn<Rank.R4>(tf, [3, 3, 3, 2]), [2, 10, 10, 3], 2, "same"),
  "depthwise convolution by its input": (tf, x) => tf.depthwiseConv2d(x, drawn<Rank.R4>(tf, [3, 3, 2, 2]), 1, "same"),
  "depthwise convolution by its input, stride 2": (tf, x) =>
    tf.depthwiseConv2d(x, drawn<Rank.R4>(tf, [3, 3, 2, 2]), 2, "valid"),
  "depthwise convolution by its filter": (tf, x) =>
    tf.depthwiseConv2d(drawn<Rank.R4>(tf, [2, 6, 6, 2]), tf.reshape(x, [5, 5, 2, 2]), 2, "same"),
  "conv3d by its input": (tf, x) => tf.conv3d(volume(tf, x), drawn<Rank.R5>(tf, [2, 2, 2, 2, 3]), 1, "same"),
  "conv3d by its filter": (tf, x) =>
    tf.conv3d(drawn<Rank.R5>(tf, [1, 6, 6, 3, 2]), tf.reshape(x, [5, 5, 1, 2, 2]) as Tensor5D, 1, "same"),
  "conv3d by its input, stride 2": (tf, x) => tf.conv3d(volume(tf, x), drawn<Rank.R5>(tf, [2, 2, 1, 2, 3]), 2, "same"),
  "conv3d by its filter, stride 2": (tf, x) =>
    tf.conv3d(drawn<Rank.R5>(tf, [1, 8, 7, 3, 2]), tf.reshape(x, [5, 5, 1, 2, 2]) as Tensor5D, 2, "same"),
  "maxPool, overlapping windows": (tf, x) => tf.maxPool(x, 3, 2, "same"),
  "maxPool, stride 1": (tf, x) => tf.maxPool(x, 2, 1, "same"),
  "maxPool, windows side by side": (tf, x) => tf.maxPool(x, 2, 2, "valid"),
  maxPool3d: (tf, x) => tf.maxPool3d(volume(tf, x), 2, 1, "same"),
  "avgPool, no padding": (tf, x) => tf.avgPool(x, 2, 2, "valid"),
  "avgPool, same padding": (tf, x) => tf.avgPool(x, 3, 2, "same"),
  "avgPool3d, same padding": (tf, x) => tf.avgPool3d(volume(tf, x), 2, 1, "same"),
  "batchNorm by its input": (tf, x) =>
    tf.batchNorm(
      x,
      drawn<Rank.R1>(tf, [2]),
      tf.abs(drawn<Rank.R1>(tf, [2])),
      drawn<Rank.R1>(tf, [2]),
      drawn<Rank.R1>(tf, [2]),
    ),
  "embedding: gather": (tf, x) => tf.gather(tf.reshape(x, [10, 10]), tf.tensor1d([0, 2, 2, 9, 4, 2], "int32")),
  unsortedSegmentSum: (tf, x) =>
    tf.unsortedSegmentSum(tf.reshape(x, [10, 10]), tf.tensor1d([0, 1, 2, 0, 1, 2, 3, 3, 0, 1], "int32"), 5),
  "resizeNearestNeighbor, twice the size": (tf, x) => tf.image.resizeNearestNeighbor(x, [10, 10]),
  "resizeNearestNeighbor, odd sizes": (tf, x) => tf.image.resizeNearestNeighbor(x, [7, 3]),
  "resizeNearestNeighbor, aligned corners": (tf, x) => tf.image.resizeNearestNeighbor(x, [7, 9], true),
  "resizeNearestNeighbor, half-pixel centres": (tf, x) => tf.image.resizeNearestNeighbor(x, [7, 9], false, true),
  resizeBilinear: (tf, x) => tf.image.resizeBilinear(x, [10, 10]),
  "dilation2d by its input": (tf, x) => tf.dilation2d(x, drawn<Rank.R3>(tf, [2, 2, 2]), 1, "same"),
  "dilation2d by its filter": (tf, x) =>
    tf.dilation2d(drawn<Rank.R4>(tf, [1, 8, 8, 4]), tf.reshape(x, [5, 5, 4]) as Tensor3D, 1, "same"),
  "prod, whose gradient calls methods of tensors": (tf, x) => tf.prod(x, 3),
  "sigmoid and tanh, the gates of an LSTM": (tf, x) => tf.mul(tf.sigmoid(x), tf.tanh(x)),
  "elu, selu, softplus and erf": (tf, x) => tf.concat([tf.elu(x), tf.selu(x), tf.softplus(x), tf.erf(x)], 3),
  softmax: (tf, x) => tf.softmax(x),
  logSumExp: (tf, x) => tf.logSumExp(x, 1),
  "max over an axis": (tf, x) => tf.max(x, 1),
  "cumsum over the last axis": (tf, x) => tf.cumsum(x, 3),
  localResponseNormalization: (tf, x) => tf.localResponseNormalization(x, 2),
};

/** One LSTM step by step, by its whole kernel: gates in the order i, f, c, o, as in TensorFlow.js's layer. */
const lstm: Function = (tf, x) => {
  const kernel = tf.slice(tf.reshape(x, [-1]), 0, 2 * 12);
  const recurrent = tf.slice(tf.reshape(x, [-1]), 24, 3 * 12);
  const inputs = drawn<Rank.R3>(tf, [2, 4, 2]);
  let h = tf.zeros([2, 3]);
  let c = tf.zeros([2, 3]);
  for (const step of tf.unstack(inputs, 1)) {
    const gates = tf.add(tf.matMul(step, tf.reshape(kernel, [2, 12])), tf.matMul(h, tf.reshape(recurrent, [3, 12])));
    const [i, f, candidate, o] = tf.split(gates, 4, 1) as [Tensor, Tensor, Tensor, Tensor];
    c = tf.add(tf.mul(tf.sigmoid(f), c), tf.mul(tf.sigmoid(i), tf.tanh(candidate)));
    h = tf.mul(tf.sigmoid(o), tf.tanh(c));
  }
  return h;
};

/** Small enough that few maxima change place within it, and large enough for float32. */
const epsilon = 2e-3;

describe.each(["wasm", "js"] as const)("on %s", (device) => {
  let tf: TensorFlow;
  beforeAll(async () => {
    ({ tf } = await openTfjs({ device, selfTest: false }));
  });

  test.each(Object.entries({ ...functions, lstm }))(
    "the gradient of %s is that of finite differences",
    async (_, f) => {
      // Files run in processes of their own, but the two describes share one engine.
      await tf.setBackend(device === "js" ? "cpu" : device);
      const before = tf.memory().numTensors;
      const scalar = (x: Tensor): Tensor =>
        tf.tidy(() => {
          const y = f(tf, x as Tensor4D);
          return tf.sum(tf.mul(y, drawn(tf, y.shape)));
        });
      const x = tf.randomNormal([2, 5, 5, 2], 0, 1, "float32", 1);
      const values = x.dataSync<"float32">();
      const gradient = tf.grad(scalar)(x);
      const analytic = gradient.dataSync<"float32">();
      const numeric = values.map((value, index) => {
        const at = (moved: number): number =>
          tf.tidy(() => scalar(tf.tensor(values.with(index, moved), x.shape)).dataSync()[0] as number);
        return (at(value + epsilon) - at(value - epsilon)) / (2 * epsilon);
      });
      tf.dispose([x, gradient]);
      const largest = numeric.reduce((most, value) => Math.max(most, Math.abs(value)), 1);
      const worst = numeric.reduce(
        (most, value, index) => Math.max(most, Math.abs(value - (analytic[index] ?? NaN))),
        0,
      );
      // Differences of float32 sums carry about 1e-6 / epsilon of noise; a wrong kernel is off by a tenth and more.
      expect(worst).toBeLessThan(0.01 * largest);
      expect(analytic.some((value) => value !== 0)).toBe(true);
      expect(tf.memory().numTensors).toBe(before);
    },
  );
});
