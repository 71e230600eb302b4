// Group T: models of scikit-learn on its built-in data, recorded by peers/tables.py. A point has the loss of the nearest recorded one. They belong to the regression pack.
import { readFileSync } from "node:fs";

const ids = ["network-digits", "trees-cancer", "vector-digits", "network-cancer", "trees-diabetes", "vector-wine"];

/** Where a value lies on its parameter's search scale, in [0, 1]. */
const unit = ({ low, high, log }, value) =>
  log ? Math.log(value / low) / Math.log(high / low) : (value - low) / (high - low);

function tableTask(id) {
  const { space, rows } = JSON.parse(readFileSync(new URL(`tables/${id}.json`, import.meta.url), "utf8"));
  const specs = Object.entries(space);
  const place = (values) =>
    specs.map(([, spec], index) => (spec.kind === "categorical" ? values[index] : unit(spec, values[index])));
  const recorded = rows.map(([values, losses]) => ({ at: place(values), values, loss: losses.at(-1) }));
  const best = recorded.reduce((least, each) => (each.loss < least.loss ? each : least));
  return {
    id,
    group: "T",
    heldOut: false,
    space,
    optimum: best.loss,
    optimumAt: Object.fromEntries(specs.map(([name], index) => [name, best.values[index]])),
    evaluate(params) {
      const at = place(specs.map(([name]) => params[name]));
      let nearest = { distance: Infinity, loss: Infinity };
      for (const { at: other, loss } of recorded) {
        // Another choice is as far as the other end of a range.
        const distance = other.reduce(
          (sum, value, index) =>
            sum + (typeof value === "number" ? (value - at[index]) ** 2 : value === at[index] ? 0 : 1),
          0,
        );
        if (distance < nearest.distance) nearest = { distance, loss };
      }
      return nearest.loss;
    },
  };
}

export const tables = ids.map(tableTask);
