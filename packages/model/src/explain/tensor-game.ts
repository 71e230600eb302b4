import type { CallOptions, LoadedModel, Tensor, Tensors } from "@millwright/contracts";
import { type Players, widthOf } from "./players.ts";
import type { Game } from "./shapley-game.ts";

/** What asks the model. */
export type Predict = (inputs: Tensors, options?: CallOptions) => ReturnType<LoadedModel["predict"]>;

/** Which numbers of an answer are explained, and what they are called. */
export interface OutputNumbers {
  readonly names: readonly string[];
  /** [rows, names]. */
  read(outputs: Tensors): Float64Array;
}

/** All numbers of all outputs that are none of texts. @param sample An answer of any rows. */
export function outputNumbers(sample: Tensors): OutputNumbers {
  const told = Object.entries(sample).filter(([, { dtype }]) => dtype !== "string");
  const widths = told.map(([, tensor]) => widthOf(tensor));
  const names = told.flatMap(([name], at) =>
    widths[at] === 1 ? [name] : Array.from({ length: widths[at] ?? 0 }, (_, index) => `${name}_${index}`),
  );
  return {
    names,
    read(outputs) {
      const rows = outputs[told[0]?.[0] ?? ""]?.shape[0] ?? 0;
      const values = new Float64Array(rows * names.length);
      let to = 0;
      for (const [at, [name]] of told.entries()) {
        const width = widths[at]!;
        const { data } = outputs[name] as Tensor;
        for (let row = 0; row < rows; row += 1)
          for (let index = 0; index < width; index += 1)
            values[row * names.length + to + index] = Number(data[row * width + index]);
        to += width;
      }
      return values;
    },
  };
}

export interface TensorGameOptions extends CallOptions {
  readonly players: Players;
  readonly background: Tensors;
  readonly predict: Predict;
  readonly outputs: OutputNumbers;
}

/** The game of one row of inputs. */
export function tensorGame(
  inputs: Tensors,
  row: number,
  { players, background, predict, outputs, signal }: TensorGameOptions,
): Game {
  const others = rowsOf(background);
  return {
    players: players.names.length,
    outputs: outputs.names.length,
    others,
    async values(known, other) {
      const mixed = Object.entries(players.owners).map(
        ([name, owners]) =>
          [name, mix(inputs[name] as Tensor, background[name] as Tensor, { row, owners, known, other })] as const,
      );
      return outputs.read(await predict(Object.fromEntries(mixed), { signal }));
    },
  };
}

export const rowsOf = (tensors: Tensors): number => Object.values(tensors)[0]?.shape[0] ?? 0;

interface Mixing {
  readonly row: number;
  readonly owners: Int32Array;
  readonly known: Uint8Array;
  readonly other: Int32Array;
}

/** Rows whose numbers are the row's where their owners are known, else those of a background row. */
function mix(from: Tensor, background: Tensor, { row, owners, known, other }: Mixing): Tensor {
  const width = owners.length;
  const count = other.length;
  const players = known.length / count;
  const shape = [count, ...from.shape.slice(1)];
  const { dtype } = background;
  const data =
    dtype === "string"
      ? new Array<string>(count * width)
      : new (background.data.constructor as new (length: number) => Float64Array)(count * width);
  const [mine, theirs] = [from.data, background.data] as unknown as [readonly string[], readonly string[]];
  const target = data as string[];
  for (let at = 0; at < count; at += 1)
    for (let index = 0; index < width; index += 1) {
      const stands = known[at * players + owners[index]!] === 1;
      target[at * width + index] = stands ? mine[row * width + index]! : theirs[other[at]! * width + index]!;
    }
  return { dtype, shape, data } as Tensor;
}
