// What is trained in steps.mjs: rows and networks that are the same for every contender.

/** Numbers of a linear congruential generator, from −1 to 1: the same in every language that has 32-bit integers. */
function numbers(seed) {
  let state = seed >>> 0;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 31 - 1;
  };
}

const dense = (tf, units, activation, inputShape) =>
  tf.layers.dense({ units, activation, ...(inputShape === undefined ? {} : { inputShape }) });

/** By name: inputs of a row, and the network, whose output is the probability of 1. */
export const tasks = {
  "mlp-16": {
    width: 16,
    layers: [16, 64, 32, 1],
    build: (tf) =>
      tf.sequential({ layers: [dense(tf, 64, "relu", [16]), dense(tf, 32, "relu"), dense(tf, 1, "sigmoid")] }),
  },
  "mlp-784": {
    width: 784,
    layers: [784, 512, 512, 1],
    build: (tf) =>
      tf.sequential({ layers: [dense(tf, 512, "relu", [784]), dense(tf, 512, "relu"), dense(tf, 1, "sigmoid")] }),
  },
  "cnn-28": {
    width: 784,
    build: (tf) =>
      tf.sequential({
        layers: [
          tf.layers.reshape({ targetShape: [28, 28, 1], inputShape: [784] }),
          tf.layers.conv2d({ filters: 8, kernelSize: 3, activation: "relu" }),
          tf.layers.maxPooling2d({ poolSize: 2 }),
          tf.layers.conv2d({ filters: 16, kernelSize: 3, activation: "relu" }),
          tf.layers.maxPooling2d({ poolSize: 2 }),
          tf.layers.flatten(),
          dense(tf, 64, "relu"),
          dense(tf, 1, "sigmoid"),
        ],
      }),
  },
  "gru-32": {
    width: 48,
    build: (tf) =>
      tf.sequential({
        layers: [
          tf.layers.reshape({ targetShape: [12, 4], inputShape: [48] }),
          tf.layers.gru({ units: 32 }),
          dense(tf, 1, "sigmoid"),
        ],
      }),
  },
};

/** Rows whose label hangs on their first numbers. */
export function makeRows(rows, width, seed) {
  const next = numbers(seed);
  const features = Float32Array.from({ length: rows * width }, next);
  const labels = Float32Array.from({ length: rows }, (_, row) =>
    features[row * width] * features[row * width + 1] + features[row * width + 2] > 0 ? 1 : 0,
  );
  return { rows, width, features, labels };
}

/** Weights by Glorot's uniform rule, biases 0, of the shapes given, in their order. */
export function makeWeights(shapes, seed) {
  const next = numbers(seed);
  return shapes.map((shape) => {
    const size = shape.reduce((product, each) => product * each, 1);
    if (shape.length === 1) return new Float32Array(size);
    const limit = Math.sqrt(6 / (size / shape.at(-1) + shape.at(-1)));
    return Float32Array.from({ length: size }, () => next() * limit);
  });
}
