import type { Tensor } from "@tensorflow/tfjs-core";
import { operationAbsent } from "./errors.ts";
import type { TensorFlow } from "./tensorflow.ts";

/** Methods that are the function of the same name with the tensor as its first argument. */
const plain =
  `abs acos acosh add all any argMax argMin asin asinh atan atan2 atanh avgPool batchNorm batchToSpaceND broadcastTo cast ceil
  clipByValue conv1d conv2d conv2dTranspose cos cosh cumprod cumsum depthToSpace depthwiseConv2d dilation2d div divNoNan dot elu equal erf
  euclideanNorm exp expandDims expm1 floor floorDiv gather greater greaterEqual isFinite isInf isNaN leakyRelu less lessEqual
  localResponseNormalization log log1p logSigmoid logSoftmax logSumExp logicalAnd logicalNot logicalOr logicalXor matMul max maxPool maximum
  mean min minimum mirrorPad mod mul neg norm notEqual oneHot onesLike pad pool pow prelu prod reciprocal relu relu6 reshape reverse round
  rsqrt selu separableConv2d sigmoid sign sin sinh slice softmax softplus spaceToBatchND split sqrt square squaredDifference squeeze step
  stridedSlice sub sum tan tanh tile topk transpose unique unsortedSegmentSum unstack zerosLike`.split(/\s+/);

type Method = (this: Tensor, ...rest: never[]) => unknown;
type Operation = (first: Tensor, ...rest: unknown[]) => unknown;

/**
 * Gives tensors their methods (`x.add(y)`), as the package `@tensorflow/tfjs` does: the core alone leaves them out, and some of its own
 * gradients (that of `prod`) call them. Done once a process.
 */
export function addChainedOperations(tf: TensorFlow): void {
  const prototype = tf.Tensor.prototype as unknown as Record<string, Method | undefined>;
  if (prototype["add"] !== undefined) return;
  const operations = { ...tf, ...tf.image, ...tf.spectral } as unknown as Readonly<Record<string, Operation>>;
  for (const name of [...plain, "resizeBilinear", "resizeNearestNeighbor", "fft", "ifft", "rfft", "irfft"]) {
    const operation = operations[name];
    if (operation === undefined) throw operationAbsent(name);
    prototype[name] = function (...rest) {
      return operation(this, ...rest);
    };
  }
  Object.assign(prototype, shaped(tf), gathered(tf));
}

/** Methods that change the shape or the type. */
const shaped = (tf: TensorFlow): Readonly<Record<string, Method>> => {
  const reshape = function (this: Tensor, ...shape: number[]): Tensor {
    return tf.reshape(this, shape);
  };
  const flatten = function (this: Tensor): Tensor {
    return tf.reshape(this, [this.size]);
  };
  return {
    as1D: flatten,
    as2D: reshape,
    as3D: reshape,
    as4D: reshape,
    as5D: reshape,
    flatten,
    asScalar() {
      return tf.reshape(this, []);
    },
    reshapeAs(other: Tensor) {
      return tf.reshape(this, other.shape);
    },
    asType(dtype: Tensor["dtype"]) {
      return tf.cast(this, dtype);
    },
    toBool() {
      return tf.cast(this, "bool");
    },
    toFloat() {
      return tf.cast(this, "float32");
    },
    toInt() {
      return tf.cast(this, "int32");
    },
  };
};

/** Methods that take further tensors. */
const gathered = (tf: TensorFlow): Readonly<Record<string, Method>> => ({
  concat(others: Tensor | Tensor[], axis?: number) {
    return tf.concat([this, ...(Array.isArray(others) ? others : [others])], axis);
  },
  stack(others: Tensor | Tensor[], axis?: number) {
    return tf.stack([this, ...(Array.isArray(others) ? others : [others])], axis);
  },
  where(condition: Tensor, other: Tensor) {
    return tf.where(condition, this, other);
  },
});
