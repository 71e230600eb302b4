import { readFileSync } from "node:fs";
import type { TreeModel, TreeNode } from "../src/index.ts";

type Cells = readonly (readonly (number | null)[])[];
type GoldenNode =
  | readonly [value: number, rows: number]
  | readonly [
      feature: number,
      split: number | readonly number[],
      missingLeft: boolean,
      left: number,
      right: number,
      rows: number,
    ];

export interface Told {
  /** By output. */
  readonly expected: readonly number[];
  /** By output, row and feature. */
  readonly contributions: readonly (readonly (readonly number[])[])[];
}

export interface GoldenTrees extends Told {
  readonly features: number;
  /** How many categories a feature has, by its position. */
  readonly categories: Readonly<Record<string, number>>;
  readonly bases: readonly number[];
  readonly trees: readonly (readonly GoldenNode[])[];
  readonly rows: Cells;
  /** By output and row, before the link. */
  readonly raw: readonly (readonly number[])[];
  readonly background?: Cells;
  readonly interventional?: Told;
}

/** What shap-golden.py wrote. */
export const golden = JSON.parse(readFileSync(new URL("./fixtures/shap-golden.json", import.meta.url), "utf8")) as {
  readonly trees: Readonly<Record<"boosted" | "categories" | "classes" | "forest", GoldenTrees>>;
  readonly logistic: Told & {
    readonly coefficients: readonly (readonly number[])[];
    readonly intercepts: readonly number[];
    readonly background: Cells;
    readonly rows: Cells;
  };
  readonly network: Told & {
    readonly layers: readonly { readonly kernel: readonly number[]; readonly bias: readonly number[] }[];
    readonly background: Cells;
    readonly rows: Cells;
    readonly raw: readonly (readonly number[])[];
  };
};

const nodeOf = (node: GoldenNode): TreeNode => {
  if (node.length === 2) return { value: node[0], rows: node[1] };
  const [feature, split, missingLeft, left, right, rows] = node;
  const by = typeof split === "number" ? { threshold: split } : { categories: split };
  return { feature, ...by, missingLeft, left, right, rows, gain: 0 };
};

/** The golden trees as this package keeps trees; their link is the identity, or the softmax of three classes. */
export function treesOf({ features, categories, bases, trees }: GoldenTrees): TreeModel {
  const classes = bases.length > 1 ? bases.map((_, at) => `class ${at}`) : undefined;
  return {
    formatVersion: classes === undefined ? 1 : 2,
    features: Array.from({ length: features }, (_, at) => {
      const count = categories[String(at)];
      return count === undefined
        ? { name: `f${at}`, kind: "number" as const }
        : {
            name: `f${at}`,
            kind: "category" as const,
            categories: Array.from({ length: count }, (_each, c) => `c${c}`),
          };
    }),
    base: classes === undefined ? bases[0]! : 0,
    link: classes === undefined ? "identity" : "softmax",
    ...(classes === undefined ? {} : { bases, classes }),
    trees: trees.map((tree) => tree.map(nodeOf)),
  };
}

/** Columns of rows; null is missing. */
export const columnsOf = (rows: Cells): readonly Float64Array[] =>
  (rows[0] ?? []).map((_, at) => Float64Array.from(rows, (row) => row[at] ?? Number.NaN));
