import type { ModelManifest, Tensor, Tensors } from "@millwright/contracts";
import { type FittedTransforms, compileTransforms } from "@millwright/data";
import { explanationUnsupported } from "../errors.ts";

/** The columns whose contributions are told, and which numbers of the model's inputs each of them makes. */
export interface Players {
  readonly names: readonly string[];
  /** By input, and then by number of a row: the position of the column that it is made of. */
  readonly owners: Readonly<Record<string, Int32Array>>;
}

/** How many numbers or texts a row of a tensor holds. */
export const widthOf = ({ shape }: Pick<Tensor, "shape">): number =>
  shape.slice(1).reduce((size, each) => size * each, 1);

/**
 * With transforms the columns that they read: each step reads one. Else each input of a number or a text a row, each number of an input of several, and an input
 * of more than two sizes as a whole. @param sample Inputs of any rows. @param names In place of those of inputs without transforms.
 */
export function playersOf(
  manifest: Pick<ModelManifest, "name">,
  fitted: FittedTransforms | undefined,
  sample: Tensors,
  names: readonly string[] | undefined,
): Players {
  const players = fitted === undefined ? playersOfTensors(sample) : playersOfTransforms(fitted, sample);
  if (names === undefined || fitted !== undefined) return players;
  if (names.length !== players.names.length || new Set(names).size < names.length)
    throw explanationUnsupported(
      manifest.name,
      `${names.length} names were given for ${players.names.length} columns, or one twice`,
      "Give a name of its own for each column, or none.",
    );
  return { ...players, names };
}

function playersOfTransforms(fitted: FittedTransforms, sample: Tensors): Players {
  const { columns } = compileTransforms(fitted);
  const owners = fitted.steps.flatMap((step) => {
    const { width } = compileTransforms({ formatVersion: 1, steps: [step] });
    return Array<number>(width).fill(columns.indexOf(step.column));
  });
  const [input = ""] = Object.keys(sample);
  return { names: columns, owners: { [input]: Int32Array.from(owners) } };
}

function playersOfTensors(sample: Tensors): Players {
  const names: string[] = [];
  const owners = Object.entries(sample).map(([name, tensor]) => {
    const width = widthOf(tensor);
    const from = names.length;
    const apart = tensor.shape.length <= 2 && width > 1;
    names.push(...(apart ? Array.from({ length: width }, (_, at) => `${name}_${at}`) : [name]));
    return [name, Int32Array.from({ length: width }, (_, at) => (apart ? from + at : from))] as const;
  });
  return { names, owners: Object.fromEntries(owners) };
}
