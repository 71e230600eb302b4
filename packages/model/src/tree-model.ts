import { type ModelSignature, modelCorrupt } from "@millwright/contracts";
import { treesInvalid } from "./errors.ts";

/** A column that trees read: numbers, or one of the texts in `categories`. */
export type TreeFeature =
  | { readonly name: string; readonly kind: "number" }
  | { readonly name: string; readonly kind: "category"; readonly categories: readonly string[] };

/** Goes left where the number is at most `threshold` (Infinity, `null` in JSON: every number), or the category is one of `categories`. */
export interface TreeSplit {
  /** Position in `features`. */
  readonly feature: number;
  /** For a number. */
  readonly threshold?: number | null | undefined;
  /** For a category: positions in the feature's `categories`. */
  readonly categories?: readonly number[] | undefined;
  /** Where NaN, the empty text and a text that is no category go. */
  readonly missingLeft: boolean;
  /** Positions in the tree of nodes that come later. */
  readonly left: number;
  readonly right: number;
  /** Training rows that came through. */
  readonly rows: number;
  /** By how much the split lowered the loss in training. */
  readonly gain: number;
}

export interface TreeLeaf {
  /** What the leaf adds to the sum. */
  readonly value: number;
  /** Training rows that ended here. */
  readonly rows: number;
}

export type TreeNode = TreeLeaf | TreeSplit;

/** A sum of decision trees, JSON-safe but for a threshold of Infinity. */
export interface TreeModel {
  /** 2 for the links `exponential` and `softmax`, which releases that read 1 do not know. */
  readonly formatVersion: 1 | 2;
  readonly features: readonly TreeFeature[];
  /** What the sum begins with; 0 where there are `bases`. */
  readonly base: number;
  /** What becomes of the sum s: itself, 1 / (1 + e^-s), e^s, or the softmax of one sum a class. */
  readonly link: "exponential" | "identity" | "logistic" | "softmax";
  /** For `softmax`: what each class's sum begins with. */
  readonly bases?: readonly number[] | undefined;
  /** For `softmax`: what each output is the probability of. Of k classes, tree t adds to the sum of class t mod k. */
  readonly classes?: readonly string[] | undefined;
  /** Each with its root first. */
  readonly trees: readonly (readonly TreeNode[])[];
}

export interface TreeModelOptions {
  /** The name of the output, float64 of shape [rows, 1], or [rows, classes]. Default: `"prediction"`. */
  readonly output?: string | undefined;
}

export interface TreeModelFiles {
  /** `trees.json`: what `packModel` takes. */
  readonly files: Readonly<Record<string, string>>;
  readonly signature: ModelSignature;
}

export const isSplit = (node: TreeNode): node is TreeSplit => "left" in node;

/**
 * A package of the format `trees`: its file and signature, with an input of shape [rows] for each feature, float64 or string.
 * Throws `MODEL_TREES_INVALID`.
 */
export function writeTreeModel(model: TreeModel, { output = "prediction" }: TreeModelOptions = {}): TreeModelFiles {
  assertTreeModel(model);
  const { formatVersion, features, base, bases, link, classes, trees } = model;
  // Infinity becomes null.
  const text = JSON.stringify({ formatVersion, features, base, bases, link, classes, trees });
  return { files: { "trees.json": text }, signature: treeSignature(model, output) };
}

/** Throws `MODEL_TREES_INVALID` for what is no model. */
export function assertTreeModel(model: TreeModel): void {
  const problem = treeModelProblem(model);
  if (problem !== undefined) throw treesInvalid(problem);
}

/** The signature of a package with these trees. */
export function treeSignature(model: Pick<TreeModel, "classes" | "features">, output: string): ModelSignature {
  const { features } = model;
  return {
    inputs: features.map(({ name, kind }) => ({ name, dtype: kind === "number" ? "float64" : "string", shape: [-1] })),
    outputs: [{ name: output, dtype: "float64", shape: [-1, treeOutputs(model)] }],
  };
}

/** How many numbers a row is answered with. */
export const treeOutputs = ({ classes }: Pick<TreeModel, "classes">): number => classes?.length ?? 1;

/** The trees of `trees.json`. Throws `PORT_MODEL_CORRUPT`. */
export function parseTreeModel(what: string, text: string): TreeModel {
  let model: TreeModel;
  try {
    model = JSON.parse(text) as TreeModel;
  } catch (error) {
    throw modelCorrupt(what, "trees.json is not JSON", error);
  }
  const problem = treeModelProblem(model);
  if (problem !== undefined) throw modelCorrupt(what, `trees.json cannot be used: ${problem}`);
  return model;
}

const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null && !Array.isArray(value);

function treeModelProblem(model: unknown): string | undefined {
  if (!isObject(model)) return "it is no object";
  const { formatVersion, features, base, trees } = model;
  if (formatVersion !== 1 && formatVersion !== 2)
    return `its formatVersion is ${JSON.stringify(formatVersion)}, and this release reads 1 and 2`;
  if (!Array.isArray(features) || features.length === 0) return "it has no features";
  const badFeature = features.findIndex((feature) => !isFeature(feature));
  if (badFeature >= 0) return `feature ${badFeature} is neither a named number nor a named category with its texts`;
  const names = (features as readonly TreeFeature[]).map(({ name }) => name);
  if (new Set(names).size < names.length) return "two features have one name";
  if (!Number.isFinite(base)) return "its base is no number";
  const badLink = linkProblem(model);
  if (badLink !== undefined) return badLink;
  if (!Array.isArray(trees)) return "it has no list of trees";
  const { classes } = model as { readonly classes?: readonly string[] };
  if (trees.length % (classes?.length ?? 1) !== 0) return "it does not have as many trees for each class";
  for (const [index, tree] of trees.entries()) {
    const problem = treeProblem(tree, features as readonly TreeFeature[]);
    if (problem !== undefined) return `tree ${index}: ${problem}`;
  }
  return undefined;
}

function linkProblem(model: Readonly<Record<string, unknown>>): string | undefined {
  const { formatVersion, link, bases, classes } = model;
  const links = formatVersion === 1 ? ["identity", "logistic"] : ["exponential", "softmax"];
  if (!links.includes(link as string)) return `its link is not ${links.join(" or ")}, those of its formatVersion`;
  if (link !== "softmax") {
    return bases === undefined && classes === undefined ? undefined : "it has classes, and its link is not softmax";
  }
  const named =
    Array.isArray(classes) &&
    classes.length > 1 &&
    classes.every((text) => typeof text === "string" && text !== "") &&
    new Set(classes).size === classes.length;
  const fits = named && Array.isArray(bases) && bases.length === classes.length && bases.every(Number.isFinite);
  return fits ? undefined : "it does not have two classes or more with a name and a base each";
}

function isFeature(feature: unknown): boolean {
  if (!isObject(feature) || typeof feature["name"] !== "string" || feature["name"] === "") return false;
  if (feature["kind"] === "number") return true;
  const { kind, categories } = feature;
  return (
    kind === "category" &&
    Array.isArray(categories) &&
    categories.every((text) => typeof text === "string" && text !== "") &&
    new Set(categories).size === categories.length
  );
}

function treeProblem(tree: unknown, features: readonly TreeFeature[]): string | undefined {
  if (!Array.isArray(tree) || tree.length === 0) return "it has no nodes";
  const parents = new Uint8Array(tree.length);
  for (const [index, node] of tree.entries()) {
    const problem = isObject(node) ? nodeProblem(node, index, tree.length, features) : "is no object";
    if (problem !== undefined) return `node ${index} ${problem}`;
    const { left, right } = node as TreeSplit;
    if (left !== undefined) for (const child of [left, right]) parents[child]! += 1;
  }
  const stray = parents.findIndex((count, index) => count !== (index === 0 ? 0 : 1));
  return stray < 0 ? undefined : `node ${stray} does not have one parent`;
}

function nodeProblem(
  node: Readonly<Record<string, unknown>>,
  index: number,
  nodes: number,
  features: readonly TreeFeature[],
): string | undefined {
  if (!("left" in node)) return Number.isFinite(node["value"]) ? undefined : "has no finite value";
  const { left, right, threshold, categories, missingLeft } = node;
  const later = (child: unknown): boolean => Number.isInteger(child) && Number(child) > index && Number(child) < nodes;
  if (!later(left) || !later(right)) return "has a child that is not a later node";
  if (typeof missingLeft !== "boolean") return "does not say where missing values go";
  const feature = features[Number(node["feature"])];
  if (feature === undefined) return "splits by a feature that does not exist";
  if (feature.kind === "number") {
    const isNumber = threshold === null || (typeof threshold === "number" && !Number.isNaN(threshold));
    return isNumber && threshold !== -Infinity ? undefined : "has no threshold";
  }
  const known = (at: unknown): boolean =>
    Number.isInteger(at) && Number(at) >= 0 && Number(at) < feature.categories.length;
  return Array.isArray(categories) && categories.every(known) ? undefined : "has no list of its feature's categories";
}
