import { ServingError } from "../errors.ts";

export const graphNodeFailed = (node: string, problem: string): ServingError =>
  new ServingError("SERVING_GRAPH_FAILED", `The node "${node}" of the graph failed: ${problem}.`, {
    category: "bug",
    remedy: "Mend the node, or give it a `fallback`.",
  });

export const graphNodeLate = (node: string, timeoutMs: number): ServingError =>
  new ServingError("SERVING_GRAPH_LATE", `The node "${node}" of the graph took more than ${timeoutMs} ms.`, {
    category: "transient",
    remedy: "Ask again, raise its `timeoutMs`, or give it a `fallback`.",
    retryable: true,
  });
