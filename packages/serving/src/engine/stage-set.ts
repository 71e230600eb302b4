import type { Logger, ModelSource } from "@millwright/contracts";
import type { Catalog } from "../catalog/model-catalog.ts";
import { ModelSlot, type SlotOptions } from "./model-slot.ts";
import type { Stage, StageSite } from "./stage.ts";

/** The stages and the catalog of an endpoint: opened in their order, closed in the opposite one. */
export class StageSet {
  readonly stages: readonly Stage[];
  readonly catalog: Catalog | undefined;
  readonly #logger: Logger;
  #opened: readonly Stage[] = [];
  #catalogOpened = false;

  /** @param before Those of the endpoint as it was configured before: what stands in both is open already. */
  constructor(stages: readonly Stage[], catalog: Catalog | undefined, logger: Logger, before?: StageSet) {
    this.stages = stages;
    this.catalog = catalog;
    this.#logger = logger;
    if (before === undefined) return;
    this.#opened = before.#opened.filter((stage) => stages.includes(stage));
    this.#catalogOpened = catalog !== undefined && before.catalog === catalog && before.#catalogOpened;
  }

  /** Called again after a failure it goes on there. Throws what they throw. */
  async open(site: StageSite, source: ModelSource, slotOptions: () => SlotOptions): Promise<void> {
    const { endpoint, clock, logger, meter } = site;
    if (!this.#catalogOpened)
      await this.catalog?.open({
        endpoint,
        clock,
        logger,
        meter,
        resolve: (ref, options) => source.resolve(ref, options),
        openSlot: (ref, resolved, signal) => ModelSlot.openResolved(ref, resolved, slotOptions(), { signal }),
      });
    this.#catalogOpened = true;
    for (const stage of this.stages) {
      // Opened before one after it failed.
      if (this.#opened.includes(stage)) continue;
      await stage.open?.(site);
      this.#opened = [stage, ...this.#opened];
    }
  }

  /** Closes those that were opened, the last first, but for what stands in `kept` too. */
  async close(endpoint: string, kept?: StageSet): Promise<void> {
    const opened = this.#opened.filter((stage) => kept?.stages.includes(stage) !== true);
    this.#opened = [];
    for (const stage of opened) {
      try {
        await stage.close?.();
      } catch (error) {
        this.#logger.warn({ endpoint, stage: stage.name, error }, "a stage could not be closed");
      }
    }
    if (this.catalog !== undefined && kept?.catalog !== this.catalog) await this.catalog.close();
  }
}
