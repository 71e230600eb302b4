// The conditional tasks of group M. A parameter that is not active is absent.
import { kinds, mixed as plainMixed } from "./tasks-mixed.mjs";

const { real, whole, oneOf, when, log, bowl, loss } = kinds;

const optimizerSpace = {
  optimizer: oneOf("sgd", "adam", "rmsprop"),
  sgdRate: when("optimizer", ["sgd"], real(1e-4, 10, log)),
  momentum: when("optimizer", ["sgd"], real(0, 0.99)),
  nesterov: when("optimizer", ["sgd"], oneOf(true, false)),
  adamRate: when("optimizer", ["adam"], real(1e-5, 1e-1, log)),
  beta: when("optimizer", ["adam"], real(0.8, 0.9999)),
  epsilon: when("optimizer", ["adam"], real(1e-9, 1e-3, log)),
  rmsRate: when("optimizer", ["rmsprop"], real(1e-5, 1e-1, log)),
  rho: when("optimizer", ["rmsprop"], real(0.5, 0.999)),
  batch: whole(8, 512, log),
};
const optimizer = {
  id: "optimizer-branches",
  space: optimizerSpace,
  optimum: 0.1,
  optimumAt: { optimizer: "sgd", sgdRate: 0.3, momentum: 0.9, nesterov: true, batch: 64 },
  evaluate(params) {
    const batch = bowl(optimizerSpace, params, { batch: 64 }, [0.5]);
    if (params.optimizer === "sgd") {
      // The faster the momentum, the smaller the rate.
      const rate = 0.3 * ((1 - params.momentum) / 0.1) ** 0.5;
      return loss(
        0.1 + (params.nesterov ? 0 : 0.02),
        batch + bowl(optimizerSpace, params, { sgdRate: rate, momentum: 0.9 }, [6, 0.8]),
      );
    }
    if (params.optimizer === "adam")
      return loss(
        0.12,
        batch + bowl(optimizerSpace, params, { adamRate: 2e-3, beta: 0.95, epsilon: 1e-7 }, [2, 0.3, 0.1]),
      );
    return loss(0.15, batch + bowl(optimizerSpace, params, { rmsRate: 1e-3, rho: 0.9 }, [2, 0.5]));
  },
};

const modelSpace = {
  model: oneOf("vector", "forest", "network"),
  kernel: when("model", ["vector"], oneOf("linear", "radial", "polynomial")),
  penalty: when("model", ["vector"], real(1e-3, 1e3, log)),
  gamma: when("kernel", ["radial"], real(1e-5, 10, log)),
  degree: when("kernel", ["polynomial"], whole(2, 6)),
  trees: when("model", ["forest"], whole(10, 1000, log)),
  depth: when("model", ["forest"], whole(2, 32)),
  features: when("model", ["forest"], real(0.05, 1)),
  rate: when("model", ["network"], real(1e-5, 1, log)),
  units: when("model", ["network"], whole(4, 512, log)),
  decay: when("model", ["network"], real(1e-7, 1e-1, log)),
};
const model = {
  id: "model-choice",
  space: modelSpace,
  optimum: 0.15,
  optimumAt: { model: "vector", kernel: "radial", penalty: 30, gamma: 0.01 },
  evaluate(params) {
    if (params.model === "forest")
      return loss(0.2, bowl(modelSpace, params, { trees: 500, depth: 18, features: 0.3 }, [0.3, 0.5, 0.8]));
    if (params.model === "network")
      return loss(0.18, bowl(modelSpace, params, { rate: 3e-3, units: 100, decay: 1e-4 }, [3, 0.8, 0.3]));
    if (params.kernel === "linear") return loss(0.35, bowl(modelSpace, params, { penalty: 1 }, [1]));
    if (params.kernel === "polynomial") return loss(0.25, bowl(modelSpace, params, { penalty: 10, degree: 3 }, [1, 1]));
    // Radial: a valley along penalty · gamma.
    const along = Math.log10((params.penalty * params.gamma) / 0.3);
    return loss(0.15, bowl(modelSpace, params, { penalty: 30, gamma: 0.01 }, [0.5, 0.5]) + 0.2 * along * along);
  },
};

const best = [192, 96, 48, 24];
const layersSpace = {
  layers: oneOf(1, 2, 3, 4),
  ...Object.fromEntries(
    best.map((_, index) => [
      `units${index}`,
      index === 0
        ? whole(8, 512, log)
        : when(
            "layers",
            [2, 3, 4].filter((layers) => layers > index),
            whole(8, 512, log),
          ),
    ]),
  ),
  rate: real(1e-5, 1, log),
};
const layers = {
  id: "layer-widths",
  space: layersSpace,
  optimum: 0.1,
  optimumAt: { layers: 3, units0: 192, units1: 96, units2: 48, rate: 2e-3 },
  evaluate(params) {
    const missing = { 1: 0.15, 2: 0.04, 3: 0, 4: 0.01 }[params.layers];
    const widths = Object.fromEntries(best.slice(0, params.layers).map((units, index) => [`units${index}`, units]));
    const rate = 2e-3 * 2 ** (3 - params.layers);
    return loss(
      0.1 + missing,
      bowl(layersSpace, params, { ...widths, rate }, [...Object.keys(widths).map(() => 0.7), 3]),
    );
  },
};

const nestedSpace = {
  preparation: oneOf("none", "components", "selection"),
  components: when("preparation", ["components"], whole(2, 64, log)),
  whiten: when("preparation", ["components"], oneOf(false, true)),
  share: when("preparation", ["selection"], real(0.05, 1)),
  learner: oneOf("nearest", "boosted"),
  neighbours: when("learner", ["nearest"], whole(1, 100, log)),
  distance: when("learner", ["nearest"], oneOf("manhattan", "euclidean", "cosine")),
  rounds: when("learner", ["boosted"], whole(10, 1000, log)),
  rate: when("learner", ["boosted"], real(1e-3, 1, log)),
  sampled: when("learner", ["boosted"], oneOf(false, true)),
  rows: when("sampled", [true], real(0.2, 1)),
};
const nested = {
  id: "pipeline",
  heldOut: true,
  space: nestedSpace,
  optimum: 0.12,
  optimumAt: {
    preparation: "selection",
    share: 0.4,
    learner: "boosted",
    rounds: 200,
    rate: 0.1,
    sampled: true,
    rows: 0.7,
  },
  evaluate(params) {
    let least = 0.12;
    let squares = 0;
    if (params.preparation === "none") least += 0.03;
    else if (params.preparation === "components") {
      least += params.whiten ? 0.02 : 0.05;
      squares += bowl(nestedSpace, params, { components: 16 }, [1]);
    } else squares += bowl(nestedSpace, params, { share: 0.4 }, [0.8]);
    if (params.learner === "nearest") {
      least += 0.08 + { manhattan: 0.01, euclidean: 0.03, cosine: 0 }[params.distance];
      return loss(least, squares + bowl(nestedSpace, params, { neighbours: 12 }, [1]));
    }
    squares += bowl(nestedSpace, params, { rounds: 200, rate: 0.1 }, [0.6, 1.2]);
    if (params.sampled) squares += bowl(nestedSpace, params, { rows: 0.7 }, [0.5]);
    else least += 0.015;
    return loss(least, squares);
  },
};

const conditional = [optimizer, model, layers, nested];
export const mixed = [...plainMixed, ...conditional].map((task) => ({ group: "M", heldOut: false, ...task }));
