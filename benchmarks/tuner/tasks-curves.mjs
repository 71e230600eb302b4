// Group F: losses by epoch, in closed form. The last epoch of the best parameters has the least loss, `optimum`; curves of others cross it.
import { normalOf } from "./streams.mjs";
import { kinds } from "./tasks-mixed.mjs";

const { real, whole, oneOf, log, bowl, loss } = kinds;

/** How far a training still is from where it ends, by epochs since its start in units of its time scale. */
const shapes = {
  power: (time) => (1 + time) ** -0.7,
  exponential: (time) => Math.exp(-time),
  // Nothing is learnt at first.
  late: (time) => 1 / (1 + Math.exp(3 * (time - 1.5))),
};

const spaces = {
  network: {
    space: {
      rate: real(1e-5, 1, log),
      decay: real(1e-7, 1e-1, log),
      units: whole(8, 512, log),
      dropout: real(0, 0.8),
      activation: oneOf("relu", "tanh", "gelu"),
    },
    weights: [4, 0.4, 0.8, 0.6],
    chosen: "activation",
    costs: { relu: 0.01, tanh: 0.04, gelu: 0 },
    // Small rates and many units learn slowly; little decay and dropout forget what they learnt.
    slowness: ({ rate, units }) => (0.003 / rate) ** 0.35 * (units / 128) ** 0.2,
    overfit: ({ decay, dropout }) => 0.08 * Math.max(0, -Math.log10(decay) - 5) * Math.max(0, 0.3 - dropout),
  },
  boosting: {
    space: {
      rate: real(1e-3, 1, log),
      depth: whole(1, 14),
      leaf: whole(1, 200, log),
      rows: real(0.2, 1),
      growth: oneOf("level", "leaf"),
    },
    weights: [1.5, 1, 0.5, 0.4],
    chosen: "growth",
    costs: { level: 0.02, leaf: 0 },
    slowness: ({ rate }) => (0.08 / rate) ** 0.8,
    overfit: ({ rate, depth }) => 0.03 * Math.max(0, Math.log10(rate) + 0.6) * Math.max(0, depth - 8),
  },
  images: {
    space: {
      rate: real(1e-4, 10, log),
      momentum: real(0.5, 0.99),
      batch: whole(16, 512, log),
      width: whole(8, 128, log),
      smoothing: real(0, 0.4),
      augmentation: oneOf("none", "flips", "crops", "mixed"),
    },
    weights: [3, 0.6, 0.8, 0.7, 0.4],
    chosen: "augmentation",
    costs: { none: 0.08, flips: 0.03, crops: 0, mixed: 0.01 },
    slowness: ({ rate, batch, augmentation }) =>
      (0.1 / rate) ** 0.3 * (batch / 64) ** 0.2 * (augmentation === "none" ? 0.6 : 1),
    overfit: ({ width, augmentation }) => (augmentation === "none" ? 0.03 : 0.004) * Math.max(0, Math.log2(width / 32)),
  },
};

const variants = [
  ["network", "power", 27, 0.01, 0.15, { rate: 3e-3, decay: 1e-4, units: 128, dropout: 0.3 }, false],
  ["network", "exponential", 81, 0.005, 0.3, { rate: 5e-4, decay: 1e-5, units: 256, dropout: 0.4 }, false],
  ["network", "late", 27, 0.01, 0.1, { rate: 1e-2, decay: 1e-3, units: 64, dropout: 0.3 }, true],
  ["network", "power", 81, 0.02, 0.2, { rate: 1e-3, decay: 1e-4, units: 200, dropout: 0.5 }, false],
  ["boosting", "exponential", 27, 0.005, 0.2, { rate: 0.05, depth: 6, leaf: 20, rows: 0.8 }, false],
  ["boosting", "power", 81, 0.01, 0.25, { rate: 0.02, depth: 8, leaf: 40, rows: 0.6 }, true],
  ["boosting", "exponential", 81, 0.01, 0.1, { rate: 0.1, depth: 4, leaf: 5, rows: 0.9 }, false],
  ["boosting", "power", 27, 0.02, 0.15, { rate: 0.15, depth: 7, leaf: 60, rows: 0.7 }, true],
  ["images", "late", 27, 0.01, 0.25, { rate: 0.1, momentum: 0.9, batch: 64, width: 32, smoothing: 0.1 }, false],
  ["images", "power", 81, 0.01, 0.1, { rate: 0.5, momentum: 0.8, batch: 128, width: 64, smoothing: 0.1 }, false],
  ["images", "exponential", 27, 0.02, 0.2, { rate: 0.05, momentum: 0.95, batch: 32, width: 48, smoothing: 0.2 }, false],
  ["images", "late", 81, 0.005, 0.15, { rate: 0.2, momentum: 0.85, batch: 96, width: 90, smoothing: 0.05 }, true],
];

const start = 1.8;

function curveTask([kind, shape, epochs, sigma, least, best, heldOut], index) {
  const { space, weights, chosen, costs, slowness, overfit } = spaces[kind];
  const id = `${kind}-${shape}-${epochs}-${index}`;
  const free = Object.keys(costs).find((choice) => costs[choice] === 0);
  const left = overfit({ ...best, [chosen]: free });
  const parts = (params) => ({
    base: loss(least, bowl(space, params, best, weights)) + costs[params[chosen]],
    rise: Math.max(0, overfit(params) - left),
    scale: (epochs / 6) * Math.min(20, Math.max(0.05, slowness(params) / slowness({ ...best, [chosen]: free }))),
  });
  const curve = (params) => {
    const { base, rise, scale } = parts(params);
    const of = shapes[shape];
    const [first, last] = [of(0), of(epochs / scale)];
    // At the last epoch nothing is left of the way from the start, whatever the time scale.
    return (epoch) =>
      base + (start - base) * ((of(epoch / scale) - last) / (first - last)) + rise * (epoch / epochs) ** 2;
  };
  return {
    id,
    group: "F",
    heldOut,
    space,
    epochs,
    optimum: least,
    optimumAt: { ...best, [chosen]: free },
    curve,
    evaluate: (params) => curve(params)(epochs),
    observeEpoch: (value, seed, number, epoch) => value + sigma * normalOf(id, "noise", seed, number, epoch),
  };
}

export const curves = variants.map(curveTask);
