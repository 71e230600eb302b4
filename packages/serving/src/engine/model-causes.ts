import {
  type CallOptions,
  createNewestEvents,
  type EventId,
  type EventLog,
  type Logger,
  type MillwrightEvent,
} from "@millwright/contracts";

/** Finds what caused a model to be served: the newest event that registered or approved the package, or gave it an alias. */
export interface ModelCauses {
  /** @returns `undefined` where the log knows nothing of the package or cannot be read: serving does not depend on it. */
  find(digest: string | undefined, options?: CallOptions): Promise<EventId | undefined>;
}

/** @param log Where the registry tells of models too; by digest, so that serving need not know who keeps them. */
export function createModelCauses(log: EventLog | undefined, logger: Logger): ModelCauses {
  if (log === undefined) return { find: async () => undefined };
  const types = ["model.registered", "model.approved", "model.alias-set"];
  const newest = createNewestEvents(log, { types, subjectsOf: digestsOf });
  return {
    async find(digest, { signal } = {}) {
      signal?.throwIfAborted();
      if (digest === undefined) return undefined;
      try {
        return await newest.find(digest, { signal });
      } catch (error) {
        signal?.throwIfAborted();
        logger.warn({ digest, error }, "the events of a model cannot be read");
        return undefined;
      }
    },
  };
}

function digestsOf({ data: { made = [], digest } }: MillwrightEvent): readonly string[] {
  const models = made.filter(({ kind }) => kind === "model").map(({ id }) => id);
  return typeof digest === "string" ? [...models, digest] : models;
}
