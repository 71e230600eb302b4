import { type Clock, type Tensors, abortable, isMillwrightError } from "@millwright/contracts";
import { type AnswerMemory, questionOf } from "../engine/answer-memory.ts";
import { follow } from "../engine/following.ts";
import type { NodeTrace, Prediction, Provenance } from "../engine/prediction.ts";
import type { RequestCall } from "../engine/stage.ts";
import { combine } from "./combine.ts";
import { graphNodeFailed, graphNodeLate } from "./graph-errors.ts";
import { type GraphContext, type GraphNode, type GraphPlan, type NodeInput } from "./graph-node.ts";

/** The outputs of a node. */
export type NodeMemory = AnswerMemory<Tensors>;

export interface GraphTools {
  readonly plan: GraphPlan;
  readonly clock: Clock;
  /** Asks the model of a node, or the endpoint. */
  ask(node: string, call: RequestCall): Promise<Prediction>;
  readonly memories: ReadonlyMap<string, NodeMemory>;
  /** Told each node that ended. */
  onNode(node: string, trace: NodeTrace, error?: unknown): void;
}

export interface GraphAnswer {
  readonly outputs: Tensors;
  readonly nodes: Readonly<Record<string, NodeTrace>>;
  /** The first node whose fallback answered. */
  readonly degraded: Provenance["degraded"];
}

/** One request on its way through a graph: a node is asked when somebody needs it, once, and side by side with others. */
export class GraphRun {
  readonly #tools: GraphTools;
  readonly #call: RequestCall;
  readonly #asked = new Map<string, Promise<Tensors>>();
  readonly #traces = new Map<string, NodeTrace>();
  #degraded: Provenance["degraded"];

  constructor(tools: GraphTools, call: RequestCall) {
    this.#tools = tools;
    this.#call = call;
  }

  async answer(): Promise<GraphAnswer> {
    const outputs = await this.#node(this.#tools.plan.output);
    return { outputs, nodes: Object.fromEntries(this.#traces), degraded: this.#degraded };
  }

  #node(name: string): Promise<Tensors> {
    const found = this.#asked.get(name);
    if (found !== undefined) return found;
    const asking = this.#run(name, this.#tools.plan.nodes[name] as GraphNode);
    this.#asked.set(name, asking);
    // Whoever needs it hears of its failure; a node whose siblings failed first may have nobody.
    asking.catch(() => {});
    return asking;
  }

  async #run(name: string, node: GraphNode): Promise<Tensors> {
    const { clock, onNode } = this.#tools;
    const startMs = clock.monotonicMs();
    const trace: { model?: Provenance["model"]; failed?: string; cached?: true } = {};
    const end = (): NodeTrace => ({ ...trace, ms: clock.monotonicMs() - startMs });
    try {
      const outputs = await this.#inTime(name, node, (call) => this.#work(name, node, call, trace));
      this.#traces.set(name, end());
      onNode(name, end());
      return outputs;
    } catch (error) {
      trace.failed = isMillwrightError(error) ? error.code : "none";
      onNode(name, end(), error);
      if (node.fallback === undefined || this.#call.request.signal?.aborted === true) throw error;
      this.#degraded ??= { reason: trace.failed, by: `graph/${node.fallback}` };
      const outputs = await this.#node(node.fallback);
      this.#traces.set(name, end());
      return outputs;
    }
  }

  /** What is late is cancelled, and has failed. */
  async #inTime(
    name: string,
    { timeoutMs }: GraphNode,
    work: (call: RequestCall) => Promise<Tensors>,
  ): Promise<Tensors> {
    const { request } = this.#call;
    if (timeoutMs === undefined) return abortable(work(this.#call), request.signal);
    const done = new AbortController();
    const { controller: late, forget } = follow(request.signal);
    const { signal } = late;
    const timer = this.#tools.clock.sleep(timeoutMs, { signal: done.signal }).then(
      () => late.abort(graphNodeLate(name, timeoutMs)),
      () => {},
    );
    try {
      return await abortable(work({ ...this.#call, request: { ...request, signal } }), signal);
    } finally {
      done.abort();
      forget();
      await timer;
    }
  }

  async #work(
    name: string,
    node: GraphNode,
    call: RequestCall,
    trace: { model?: Provenance["model"]; cached?: true },
  ): Promise<Tensors> {
    if ("switch" in node) return this.#switch(name, node);
    if ("ensemble" in node) return this.#ensemble(name, node);
    const context = await this.#context(node);
    const memory = this.#tools.memories.get(name);
    if ("compute" in node)
      return remembered(memory, [context.values, questionOf(context.request)], trace, async () =>
        node.compute(context),
      );
    const request = { ...call.request, ...askedOf(node.input, context) };
    return remembered(memory, questionOf(request), trace, async () => {
      const answer = await this.#tools.ask(name, { ...call, request });
      trace.model = answer.provenance.model;
      return answer.outputs;
    });
  }

  async #switch(name: string, node: Extract<GraphNode, { readonly to: readonly string[] }>): Promise<Tensors> {
    const chosen = node.switch(await this.#context({ needs: node.needs }));
    if (!node.to.includes(chosen))
      throw graphNodeFailed(name, `it chose "${chosen}", which is none of ${node.to.join(", ")}`);
    return this.#node(chosen);
  }

  async #ensemble(name: string, node: Extract<GraphNode, { readonly ensemble: readonly string[] }>): Promise<Tensors> {
    const { ensemble, least = ensemble.length } = node;
    const settled = await Promise.allSettled(ensemble.map((each) => this.#node(each)));
    const answers: Record<string, Tensors> = {};
    for (const [at, each] of settled.entries())
      if (each.status === "fulfilled") answers[ensemble[at] ?? ""] = each.value;
    const failure = settled.find((each) => each.status === "rejected");
    if (Object.keys(answers).length < least) throw failure?.reason;
    if (failure !== undefined) {
      const reason: unknown = failure.reason;
      this.#degraded ??= { reason: isMillwrightError(reason) ? reason.code : "none", by: `graph/${name}` };
    }
    return combine(node, answers);
  }

  /** The outputs of what a node needs, but for those that only a switch, an ensemble or a fallback asks. */
  async #context(node: Pick<GraphNode, "needs"> & { readonly input?: NodeInput | undefined }): Promise<GraphContext> {
    const { needs = [], input } = node;
    const names = [...new Set([...needs, ...(typeof input === "string" ? [input] : [])])];
    const values = await Promise.all(names.map((name) => this.#node(name)));
    return {
      request: this.#call.request,
      values: Object.fromEntries(names.map((name, at) => [name, values[at] as Tensors])),
    };
  }
}

/** What a node's model is asked in place of what came. */
function askedOf(input: NodeInput | undefined, context: GraphContext): Partial<RequestCall["request"]> {
  if (input === undefined) return {};
  const nothing = { entities: undefined, request: undefined, instances: undefined, inputs: undefined };
  return { ...nothing, ...(typeof input === "string" ? { inputs: context.values[input] } : input(context)) };
}

async function remembered(
  memory: NodeMemory | undefined,
  question: unknown,
  trace: { cached?: true },
  work: () => Promise<Tensors>,
): Promise<Tensors> {
  if (memory === undefined) return work();
  const found = memory.find(question);
  if (found !== undefined) {
    trace.cached = true;
    return found;
  }
  const outputs = await work();
  memory.keep(question, outputs);
  return outputs;
}
