import type { Random } from "@millwright/contracts";
import type { Matrix } from "../features/standard-scores.ts";
import { shuffled } from "../multivariate/kernel.ts";

/** A forest in flat arrays, its trees one after another. JSON-safe. */
export interface Forest {
  /** Rows that each tree was grown on. */
  readonly sampleRows: number;
  /** The first node of each tree. */
  readonly roots: readonly number[];
  /** The column that a node splits by; −1 for a leaf. */
  readonly columns: readonly number[];
  /** For a split: rows up to and with this number go to the next node, others to `rights`. For a leaf: the length of the path to it. */
  readonly numbers: readonly number[];
  readonly rights: readonly number[];
}

/** Average length of an unsuccessful search among n rows in a binary search tree (Liu, Ting and Zhou, 2008, equation 1), as scikit-learn has it. */
export function averagePathLength(rows: number): number {
  if (rows <= 1) return 0;
  if (rows === 2) return 1;
  return 2 * (Math.log(rows - 1) + 0.5772156649015329) - (2 * (rows - 1)) / rows;
}

/** Isolation trees (Liu, Ting and Zhou, 2008), each on rows drawn without replacement, as deep as log₂ of them. */
export function growForest(matrix: Matrix, trees: number, sampleRows: number, random: Random): Forest {
  const forest = { roots: [] as number[], columns: [] as number[], numbers: [] as number[], rights: [] as number[] };
  const sample = Math.min(sampleRows, matrix.rows);
  const depthLimit = Math.ceil(Math.log2(Math.max(sample, 2)));
  const grow = (rows: Uint32Array, depth: number): void => {
    const at = forest.columns.length;
    const split = depth < depthLimit && rows.length > 1 ? randomSplit(matrix, rows, random) : undefined;
    forest.columns.push(split?.column ?? -1);
    forest.numbers.push(split?.threshold ?? depth + averagePathLength(rows.length));
    forest.rights.push(0);
    if (split === undefined) return;
    const goesLeft = (row: number): boolean => matrix.values[row * matrix.width + split.column]! <= split.threshold;
    grow(rows.filter(goesLeft), depth + 1);
    forest.rights[at] = forest.columns.length;
    grow(
      rows.filter((row) => !goesLeft(row)),
      depth + 1,
    );
  };
  for (let tree = 0; tree < trees; tree += 1) {
    forest.roots.push(forest.columns.length);
    grow(shuffled(matrix.rows, random).slice(0, sample), 0);
  }
  return { sampleRows: sample, ...forest };
}

/** A column of those that vary among the rows, and a threshold between its ends. */
function randomSplit({ width, values }: Matrix, rows: Uint32Array, random: Random) {
  for (const column of shuffled(width, random)) {
    let [least, most] = [Infinity, -Infinity];
    for (const row of rows) {
      const value = values[row * width + column]!;
      if (value < least) least = value;
      if (value > most) most = value;
    }
    if (most > least) {
      const threshold = least + random.next() * (most - least);
      // Rounding must not put all rows on one side.
      return { column, threshold: threshold < most ? threshold : least };
    }
  }
  return undefined;
}

/** Scores rows: 2^(−mean path / average path), near 1 for what is isolated at once, at most about 0.5 for the usual. */
export function compileForest({ roots, columns, numbers, rights, sampleRows }: Forest): (row: Float64Array) => number {
  const [starts, splits] = [Int32Array.from(roots), Int32Array.from(columns)];
  const [values, right] = [Float64Array.from(numbers), Int32Array.from(rights)];
  const scale = averagePathLength(sampleRows) * starts.length;
  return (row) => {
    let path = 0;
    for (const root of starts) {
      let node = root;
      for (let column = splits[node]!; column >= 0; column = splits[node]!)
        node = row[column]! <= values[node]! ? node + 1 : right[node]!;
      path += values[node]!;
    }
    return scale === 0 ? 0.5 : 2 ** (-path / scale);
  };
}
