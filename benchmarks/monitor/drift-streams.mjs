// Streams for the null and power suites: rows of one window after the other, by seed.
import { createRandom } from "../../packages/contracts/dist/index.js";
import { batchOf, column, profileOf } from "../../packages/data/dist/index.js";

export const dayMs = 86_400_000;
/** A Monday, 00:00 UTC. */
export const startMs = Date.UTC(2026, 0, 5);

const fill = (rows, next) => Float64Array.from({ length: rows }, next);

function autoregressive(phi) {
  return (random) => {
    let state = random.normal();
    const scale = Math.sqrt(1 - phi * phi);
    return (_, rows) => ({ x: fill(rows, () => (state = phi * state + scale * random.normal())) });
  };
}

/** name → random → (window index, rows, windows a day) → columns. Nothing is wrong in any of them. */
export const nullStreams = {
  "i.i.d.": (random) => (_, rows) => ({ x: fill(rows, () => random.normal()) }),
  "daily cycle, amplitude 1 sd": (random) => (window, rows, perDay) => ({
    x: fill(rows, (_, row) => random.normal() + Math.sin((2 * Math.PI * (window + row / rows)) / perDay)),
  }),
  "AR(1), φ = 0.9": autoregressive(0.9),
  "AR(1), φ = 0.99": autoregressive(0.99),
  "heavy tails (Cauchy)": (random) => (_, rows) => ({
    x: fill(rows, () => random.normal() / Math.abs(random.normal())),
  }),
  "missing-rate noise": (random) => {
    let level = 0;
    return (_, rows) => {
      level = 0.5 * level + 0.3 * random.normal();
      const share = 1 / (1 + Math.exp(3 - level));
      return {
        x: column(
          "float64",
          Array.from({ length: rows }, () => (random.next() < share ? null : random.normal())),
        ),
      };
    };
  },
  "50 correlated columns (ρ = 0.5)": (random) => (_, rows) => {
    const common = fill(rows, () => random.normal());
    return Object.fromEntries(
      Array.from({ length: 50 }, (__, index) => [
        `x${index}`,
        common.map((value) => Math.SQRT1_2 * (value + random.normal())),
      ]),
    );
  },
  "categories whose shares wander": (random) => {
    const levels = new Array(6).fill(0);
    return (_, rows) => {
      for (const index of levels.keys()) levels[index] = 0.6 * levels[index] + 0.1 * random.normal();
      const weights = levels.map((level, index) => Math.exp(level) / (index + 1));
      const total = weights.reduce((sum, weight) => sum + weight, 0);
      const draw = () => {
        let rest = random.next() * total;
        return `c${Math.max(
          0,
          weights.findIndex((weight) => (rest -= weight) < 0),
        )}`;
      };
      return { x: column("utf8", Array.from({ length: rows }, draw)) };
    };
  },
  "weekly pattern and uneven traffic": (random) => (window, rows, perDay) => {
    const day = Math.floor(window / perDay) % 7;
    const shift = (day >= 5 ? 0.8 : 0) + 0.5 * Math.sin((2 * Math.PI * window) / perDay);
    const traffic = Math.round(rows * (1 + 0.6 * Math.sin((2 * Math.PI * window) / perDay)) * (day >= 5 ? 0.7 : 1));
    const wander = 0.05 * random.normal();
    return { x: fill(Math.max(500, traffic), () => random.normal() + shift + wander) };
  },
};

/** One stream: windows in their order, with the rows of each and their profile. */
export function createStream(name, seed, { rows, perDay }) {
  const next = nullStreams[name](createRandom(seed));
  let window = -1;
  return {
    next(change = (columns) => columns) {
      window += 1;
      const columns = change(next(window, rows, perDay), window);
      const batch = batchOf(columns);
      const from = startMs + (window * dayMs) / perDay;
      return { startMs: from, endMs: from + dayMs / perDay, profile: profileOf(batch), batch };
    },
  };
}
