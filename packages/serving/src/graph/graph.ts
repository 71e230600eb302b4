import { type Counter, type Histogram, type Tensors, digestOfJson, isMillwrightError } from "@millwright/contracts";
import { createAnswerMemory } from "../engine/answer-memory.ts";
import type { NodeTrace, Prediction } from "../engine/prediction.ts";
import type { Next, RequestCall, SideModel, Stage, StageSite } from "../engine/stage.ts";
import { type ComputeNode, type GraphNode, type GraphPlan, type ModelNode, checkPlan } from "./graph-node.ts";
import { GraphRun, type GraphTools, type NodeMemory } from "./graph-run.ts";

/**
 * A stage that answers from a graph of models and functions: branches, switches, ensembles, with a time limit, a fallback and a memory for each node. A node
 * is asked when another needs it, once for a request, at the same time as others that do not wait for it. Throws a RangeError for a plan with
 * unknown names, circles, or nodes that nothing asks.
 */
export function inferenceGraph(plan: GraphPlan): Stage {
  checkPlan(plan);
  const graph = new Graph(plan);
  return {
    name: "graph",
    open: (site) => graph.open(site),
    request: (call, next) => graph.request(call, next),
    close: () => graph.close(),
  };
}

/** One step of an inference pipeline. */
export type PipelineStep =
  | Pick<ModelNode, "model" | "runtimes" | "timeoutMs">
  | ((outputs: Tensors) => Tensors | Promise<Tensors>);

/**
 * 2 to 15 steps, one after the other, as SageMaker's inference pipelines have them: the first model is asked what came, each further step gets the outputs of
 * the one before, by their names. Throws a RangeError for another number of steps, or where a function comes first.
 */
export function inferencePipeline(steps: readonly PipelineStep[]): Stage {
  if (!(steps.length >= 2 && steps.length <= 15))
    throw new RangeError(`A pipeline has 2 to 15 steps, not ${steps.length}.`);
  if (typeof steps[0] === "function")
    throw new RangeError("The first step of a pipeline is a model: it is asked what came.");
  const nodes = steps.map((step, at): readonly [string, GraphNode] => {
    const before = `step${at}`;
    if (typeof step !== "function") return [`step${at + 1}`, at === 0 ? step : { ...step, input: before }];
    const compute: ComputeNode = { needs: [before], compute: ({ values }) => step(values[before] as Tensors) };
    return [`step${at + 1}`, compute];
  });
  return inferenceGraph({ nodes: Object.fromEntries(nodes), output: `step${steps.length}` });
}

class Graph {
  readonly #plan: GraphPlan;
  readonly #models = new Map<string, SideModel>();
  readonly #memories = new Map<string, NodeMemory>();
  #site: StageSite | undefined;
  #seconds: Histogram | undefined;
  #failures: Counter | undefined;

  constructor(plan: GraphPlan) {
    this.#plan = plan;
  }

  async open(site: StageSite): Promise<void> {
    this.#site = site;
    const labelNames = ["endpoint", "node"];
    this.#seconds = site.meter.histogram("millwright_serving_graph_node_seconds", {
      help: "How long the nodes of a graph took, what they waited for included.",
      labelNames,
    });
    this.#failures = site.meter.counter("millwright_serving_graph_node_failures_total", {
      help: "Nodes of a graph that failed, by error code.",
      labelNames: [...labelNames, "code"],
    });
    for (const [name, node] of Object.entries(this.#plan.nodes)) {
      if (node.cache !== undefined) {
        const { maxEntries = 1000, maxAgeMs = 60_000 } = node.cache;
        this.#memories.set(name, createAnswerMemory(site.clock, { maxEntries, maxAgeMs }));
      }
      if (!("model" in node)) continue;
      const { model, runtimes, watch } = node;
      this.#models.set(name, await site.openModel(model, { variant: name, runtimes, watch }));
    }
  }

  async close(): Promise<void> {
    await Promise.all([...this.#models.values()].map((model) => model.close()));
  }

  async request(call: RequestCall, next: Next<RequestCall>): Promise<Prediction> {
    const site = this.#site;
    if (site === undefined) throw new TypeError("The graph stands in no open server.");
    const tools: GraphTools = {
      plan: this.#plan,
      clock: site.clock,
      memories: this.#memories,
      ask: (node, asked) => this.#models.get(node)?.predict(asked) ?? next(asked),
      onNode: (node, trace, error) => this.#tell(call, node, trace, error),
    };
    const { outputs, nodes, degraded } = await new GraphRun(tools, call).answer();
    const { requestId, endpoint, timings } = call;
    const provenance = { requestId, endpoint, variant: "graph", model: this.#identity(nodes), nodes };
    const answer: Prediction = {
      outputs,
      provenance: degraded === undefined ? provenance : { ...provenance, degraded },
      timings,
    };
    site.capture(call, answer);
    return answer;
  }

  /** A name for what made this answer: its digest is of the digests of all models that had a part in it. */
  #identity(nodes: Readonly<Record<string, NodeTrace>>): Prediction["provenance"]["model"] {
    const digests = Object.entries(nodes).flatMap(([node, { model }]) =>
      model === undefined ? [] : [[node, model.digest]],
    );
    return { name: "graph", digest: digestOfJson({ output: this.#plan.output, models: Object.fromEntries(digests) }) };
  }

  #tell({ endpoint, requestId }: RequestCall, node: string, { ms }: NodeTrace, error: unknown): void {
    this.#seconds?.observe(ms / 1000, { endpoint, node });
    if (error === undefined) return;
    this.#failures?.add(1, { endpoint, node, code: isMillwrightError(error) ? error.code : "none" });
    this.#site?.logger.warn({ endpoint, requestId, node, error }, "a node of a graph failed");
  }
}
