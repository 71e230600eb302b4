import { activate } from "./activations.ts";
import { add, concatenate, multiply, multiplyMatrices, reshape, slice } from "./basic-ops.ts";
import { type Variable, constant, gradientOf, result, wantShape } from "./variable.ts";

/**
 * Rows of a table [words, width] by their positions: [...shape, width]. Throws a RangeError for a position that the table lacks.
 */
export function embed(positions: ArrayLike<number>, shape: readonly number[], table: Variable): Variable {
  const [words = 0, width = 0] = wantShape("The table", table, [-1, -1]);
  const places = constant(shape, positions);
  const data = new Float64Array(places.data.length * width);
  for (const [at, position] of places.data.entries()) {
    if (!(Number.isInteger(position) && position >= 0 && position < words))
      throw new RangeError(`Position ${at} is ${position}, and the table has ${words} rows.`);
    data.set(table.data.subarray(position * width, (position + 1) * width), at * width);
  }
  return result([...shape, width], data, [table], (gradient) => {
    const into = gradientOf(table);
    if (into === undefined) return;
    for (const [at, position] of places.data.entries())
      for (let index = 0; index < width; index += 1) into[position * width + index]! += gradient[at * width + index]!;
  });
}

/** A layer that goes through sequences: what it gives at each step, [sequences, steps, units]. */
interface Recurrence {
  readonly gates: number;
  /** Sums of the step's inputs [sequences, gates · units], the last output, and what else is carried on. */
  readonly step: (
    sums: Variable,
    last: Variable,
    carried: Variable,
  ) => { readonly output: Variable; readonly carried: Variable };
}

function recur(
  inputs: Variable,
  kernel: Variable,
  bias: Variable | undefined,
  units: number,
  { gates, step }: Recurrence,
): Variable {
  const [sequences = 0, steps = 0, channels = 0] = wantShape("The inputs", inputs, [-1, -1, -1]);
  wantShape("The kernel", kernel, [channels, gates * units]);
  let carried = constant([sequences, units], new Float64Array(sequences * units));
  let last = carried;
  const outputs: Variable[] = [];
  for (let at = 0; at < steps; at += 1) {
    const now = reshape(slice(inputs, 1, at, at + 1), [sequences, channels]);
    const product = multiplyMatrices(now, kernel);
    const next = step(bias === undefined ? product : add(product, bias), last, carried);
    ({ carried } = next);
    last = next.output;
    outputs.push(reshape(last, [sequences, 1, units]));
  }
  return concatenate(outputs, 1);
}

const unitsOf = (recurrent: Variable, gates: number): number => {
  const [units = 0] = wantShape("The recurrent kernel", recurrent, [-1, -1]);
  wantShape("The recurrent kernel", recurrent, [units, gates * units]);
  return units;
};

const gate = (sums: Variable, index: number, units: number): Variable =>
  slice(sums, 1, index * units, (index + 1) * units);

/**
 * A simple recurrent layer, tanh(x · kernel + h · recurrent + bias): inputs [sequences, steps, channels], kernel [channels, units], recurrent
 * [units, units], bias [units]; outputs of each step, [sequences, steps, units].
 */
export function simpleRnn(inputs: Variable, kernel: Variable, recurrent: Variable, bias: Variable): Variable {
  const units = unitsOf(recurrent, 1);
  return recur(inputs, kernel, bias, units, {
    gates: 1,
    step(sums, last, carried) {
      return { output: activate(add(sums, multiplyMatrices(last, recurrent)), "tanh"), carried };
    },
  });
}

/**
 * Long short-term memory (Hochreiter and Schmidhuber, 1997; Gers and others, 2000), gates in the order input, forget, cell, output, as Keras and PyTorch have them:
 * kernel [channels, 4 · units], recurrent [units, 4 · units], bias [4 · units]. Outputs of each step, [sequences, steps, units].
 */
export function lstm(inputs: Variable, kernel: Variable, recurrent: Variable, bias: Variable): Variable {
  const units = unitsOf(recurrent, 4);
  return recur(inputs, kernel, bias, units, {
    gates: 4,
    step(sums, last, carried) {
      const all = add(sums, multiplyMatrices(last, recurrent));
      const input = activate(gate(all, 0, units), "sigmoid");
      const forget = activate(gate(all, 1, units), "sigmoid");
      const cell = add(multiply(forget, carried), multiply(input, activate(gate(all, 2, units), "tanh")));
      const output = multiply(activate(gate(all, 3, units), "sigmoid"), activate(cell, "tanh"));
      return { output, carried: cell };
    },
  });
}

/**
 * Gated recurrent unit (Cho and others, 2014) that resets after the product, as Keras does by default and PyTorch always: gates in Keras' order update, reset, candidate;
 * kernel [channels, 3 · units], recurrent [units, 3 · units], bias [2, 3 · units] for inputs and recurrence. Outputs of each step.
 */
export function gru(inputs: Variable, kernel: Variable, recurrent: Variable, bias: Variable): Variable {
  const units = unitsOf(recurrent, 3);
  wantShape("The bias", bias, [2, 3 * units]);
  const [outer, inner] = [0, 1].map((row) => reshape(slice(bias, 0, row, row + 1), [3 * units])) as [
    Variable,
    Variable,
  ];
  return recur(inputs, kernel, outer, units, {
    gates: 3,
    step(sums, last, carried) {
      const own = add(multiplyMatrices(last, recurrent), inner);
      const update = activate(add(gate(sums, 0, units), gate(own, 0, units)), "sigmoid");
      const reset = activate(add(gate(sums, 1, units), gate(own, 1, units)), "sigmoid");
      const candidate = activate(add(gate(sums, 2, units), multiply(reset, gate(own, 2, units))), "tanh");
      const ones = constant(update.shape, new Float64Array(update.data.length).fill(1));
      const minus = constant(update.shape, new Float64Array(update.data.length).fill(-1));
      const rest = add(ones, multiply(minus, update));
      return { output: add(multiply(update, last), multiply(rest, candidate)), carried };
    },
  });
}
