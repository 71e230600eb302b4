import { type CallOptions, type EventLog, abortable } from "@millwright/contracts";
import { type LineageEntity, type LineageNode, type LineageQuery, createLineageGraph } from "./lineage-graph.ts";

export type LineageReader = (
  entity: LineageEntity,
  query: LineageQuery & CallOptions,
) => Promise<readonly LineageNode[]>;

/** Follows the log as far as it goes at each question; the graph is a projection that can be made anew at any time. */
export function createLineageReader(log: EventLog): LineageReader {
  const graph = createLineageGraph();
  let after = 0;
  let turn: Promise<void> = Promise.resolve();
  const catchUp = async (): Promise<void> => {
    for await (const { cursor, event } of log.read({ after })) {
      graph.add(event);
      after = cursor;
    }
  };
  return async (entity, { signal, ...query }) => {
    signal?.throwIfAborted();
    turn = turn.then(catchUp, catchUp);
    await abortable(turn, signal);
    return graph.query(entity, query);
  };
}
