// The network of parallel.mjs: params.units dense layers with Adam.
// oxlint-disable-next-line import/no-default-export -- a training module is its default export
export default {
  params: { "~standard": { version: 1, vendor: "benchmark", validate: (value) => ({ value }) } },
  build: ({ tf, params, inputs }) => {
    const model = tf.sequential();
    for (const [index, units] of params.units.entries())
      model.add(tf.layers.dense({ units, activation: "relu", ...(index === 0 ? { inputShape: [inputs] } : {}) }));
    model.add(tf.layers.dense({ units: 1, activation: "sigmoid" }));
    return { model, optimizer: tf.train.adam(0.001) };
  },
};
