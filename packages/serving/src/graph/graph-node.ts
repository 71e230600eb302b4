import type { ModelRuntime, Tensors } from "@millwright/contracts";
import type { MemoryOptions } from "../engine/answer-memory.ts";
import type { PredictRequest } from "../engine/prediction.ts";

/** What a node sees: the request as it came, and the outputs of the nodes that it needs. */
export interface GraphContext {
  readonly request: PredictRequest;
  readonly values: Readonly<Record<string, Tensors>>;
}

/** What a model is asked: the outputs of a node as its inputs, or what a function makes of them. Default: the request as it came. */
export type NodeInput =
  | string
  | ((context: GraphContext) => Pick<PredictRequest, "entities" | "request" | "instances" | "inputs">);

interface NodeOptions {
  /** Nodes whose outputs its functions read, beside those that it names elsewhere. */
  readonly needs?: readonly string[] | undefined;
  /** It has failed where it takes longer, milliseconds. Default: as long as it takes. */
  readonly timeoutMs?: number | undefined;
  /** Another node, which answers where it fails. The answer of the graph is then marked as degraded. */
  readonly fallback?: string | undefined;
  /** Remembers its outputs for equal inputs. Not for switches and ensembles: their nodes do. */
  readonly cache?: MemoryOptions | undefined;
}

/** A model of its own: loaded when the server opens, with golden requests, features and batches. */
export interface ModelNode extends NodeOptions {
  /** `late/3`, `late@champion`. */
  readonly model: string;
  readonly input?: NodeInput | undefined;
  /** What loads it. Default: the server's. */
  readonly runtimes?: readonly ModelRuntime[] | undefined;
  /** Whether it follows its alias. Default: false. */
  readonly watch?: boolean | undefined;
}

/** The endpoint's own variants, with their shares of the traffic. */
export interface EndpointNode extends NodeOptions {
  readonly endpoint: true;
  readonly input?: NodeInput | undefined;
}

/** A function: what comes before and after models. */
export interface ComputeNode extends NodeOptions {
  compute(context: GraphContext): Tensors | Promise<Tensors>;
}

/** One of some nodes; the others are not asked. */
export interface SwitchNode extends NodeOptions {
  /** Gives the name of the node to ask. */
  switch(context: GraphContext): string;
  readonly to: readonly string[];
}

/** Some nodes at once. */
export interface EnsembleNode extends NodeOptions {
  readonly ensemble: readonly string[];
  /**
   * `mean` of floating-point outputs, weighted by `weights`; `vote`: the most frequent value, of equals the one of the node named first; or a function of
   * the outputs by node, of those that answered. Default: `mean`.
   */
  readonly combine?: "mean" | "vote" | ((answers: Readonly<Record<string, Tensors>>) => Tensors) | undefined;
  /** By node, above 0. Default: 1 each. */
  readonly weights?: Readonly<Record<string, number>> | undefined;
  /** How many must answer. Default: all. */
  readonly least?: number | undefined;
}

export type GraphNode = ModelNode | EndpointNode | ComputeNode | SwitchNode | EnsembleNode;

export interface GraphPlan {
  readonly nodes: Readonly<Record<string, GraphNode>>;
  /** The node whose outputs are the answer. */
  readonly output: string;
}

/** The nodes that a node may ask, in the order in which it names them. */
export function neededBy(node: GraphNode): readonly string[] {
  const { needs = [], fallback } = node;
  const own =
    "switch" in node
      ? node.to
      : "ensemble" in node
        ? node.ensemble
        : "input" in node && typeof node.input === "string"
          ? [node.input]
          : [];
  return [...needs, ...own, ...(fallback === undefined ? [] : [fallback])];
}

const mostNodes = 64;

/** Throws a RangeError for a plan that no request could run through. */
export function checkPlan({ nodes, output }: GraphPlan): void {
  const names = Object.keys(nodes);
  if (names.length === 0 || names.length > mostNodes)
    throw new RangeError(`A graph has 1 to ${mostNodes} nodes, not ${names.length}.`);
  const known = (name: string, by: string): void => {
    if (!Object.hasOwn(nodes, name))
      throw new RangeError(`${by} names "${name}", which is none of ${names.join(", ")}.`);
  };
  known(output, "output");
  for (const [name, node] of Object.entries(nodes)) {
    for (const needed of neededBy(node)) known(needed, `The node "${name}"`);
    checkNode(name, node);
  }
  const way: string[] = [];
  const done = new Set<string>();
  const walk = (name: string): void => {
    if (way.includes(name)) throw new RangeError(`The graph goes in a circle: ${[...way, name].join(" → ")}.`);
    if (done.has(name)) return;
    way.push(name);
    for (const needed of neededBy(nodes[name] as GraphNode)) walk(needed);
    way.pop();
    done.add(name);
  };
  for (const name of names) walk(name);
  const idle = names.filter((name) => !reachedFrom(nodes, output).has(name));
  if (idle.length > 0) throw new RangeError(`Nothing asks the nodes ${idle.join(", ")}.`);
}

function reachedFrom(nodes: GraphPlan["nodes"], output: string): ReadonlySet<string> {
  const reached = new Set([output]);
  for (const name of reached) for (const needed of neededBy(nodes[name] as GraphNode)) reached.add(needed);
  return reached;
}

function checkNode(name: string, node: GraphNode): void {
  const { timeoutMs = 1, cache } = node;
  if (!(timeoutMs > 0)) throw new RangeError(`timeoutMs of the node "${name}" must be above 0, not ${timeoutMs}.`);
  if (cache !== undefined && ("switch" in node || "ensemble" in node))
    throw new RangeError(`The node "${name}" only passes on what others answer: let those remember.`);
  if ("switch" in node && node.to.length === 0) throw new RangeError(`The switch "${name}" leads nowhere.`);
  if (!("ensemble" in node)) return;
  const { ensemble, least = ensemble.length, weights = {} } = node;
  if (ensemble.length < 2) throw new RangeError(`The ensemble "${name}" needs at least two nodes.`);
  if (!(Number.isInteger(least) && least >= 1 && least <= ensemble.length))
    throw new RangeError(`least of the ensemble "${name}" must be from 1 to ${ensemble.length}, not ${least}.`);
  for (const [each, weight] of Object.entries(weights)) {
    if (!ensemble.includes(each) || !(weight > 0 && Number.isFinite(weight)))
      throw new RangeError(`The weight of "${each}" in the ensemble "${name}" must be above 0, and one of its nodes'.`);
  }
}
