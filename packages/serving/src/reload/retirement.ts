import type { Logger } from "@millwright/contracts";
import type { ModelCatalog } from "../catalog/catalog-options.ts";
import type { Endpoint } from "../engine/endpoint.ts";
import type { Stage } from "../engine/stage.ts";
import type { ServingProblem } from "../errors.ts";
import { pointer } from "./differences.ts";
import { type MadeEndpoint, type PreparedEndpoint, discard } from "./prepare-endpoint.ts";

type Standing = Stage | ModelCatalog;

const objectsOf = ({ options: { stages = [], models } }: MadeEndpoint): readonly Standing[] =>
  models === undefined ? stages : [...stages, models];

/** Endpoints that were replaced, until their last requests are answered; and the objects that have stood in one and may in no other. */
export class Retirement {
  readonly #logger: Logger;
  readonly #spent = new WeakSet<Standing>();
  readonly #endpoints = new Set<Endpoint>();
  /** By name, what closes the endpoints that were replaced before. */
  readonly #tails = new Map<string, Promise<void>>();

  constructor(logger: Logger) {
    this.#logger = logger;
  }

  get endpoints(): readonly Endpoint[] {
    return [...this.#endpoints];
  }

  /** Stages and catalogs that were closed, or stand in another endpoint. */
  problemsOf(
    made: ReadonlyMap<string, MadeEndpoint>,
    before: ReadonlyMap<string, MadeEndpoint>,
  ): readonly ServingProblem[] {
    const places = new Map<Standing, string>();
    for (const [name, each] of before) for (const object of objectsOf(each)) places.set(object, name);
    const problems: ServingProblem[] = [];
    for (const [name, each] of made) {
      for (const object of objectsOf(each)) {
        const place = places.get(object) ?? name;
        const path = `/endpoints${pointer(name)}`;
        if (place !== name) problems.push({ path, problem: `has a stage or catalog that stands in "${place}"` });
        else if (this.#spent.has(object))
          problems.push({
            path,
            problem: "has a stage or catalog that was closed: give a new one, or name it as a part",
          });
        places.set(object, name);
      }
    }
    return problems;
  }

  /** Closes what was opened for endpoints that come to nothing. */
  async discard(prepared: readonly PreparedEndpoint[]): Promise<void> {
    for (const { next, before } of prepared) this.#spend(next, before);
    await discard(prepared).catch((error: unknown) =>
      this.#logger.warn({ error }, "what was opened for a configuration could not be closed"),
    );
  }

  /** Closes what the old endpoint has and the new one has not, once its requests and those of endpoints before it are answered. */
  retire(old: Endpoint, next: Endpoint | undefined): void {
    this.#spend(old, next);
    const kept = new Set(next?.routes.map(({ slot }) => slot));
    const slots = old.routes.map(({ slot }) => slot).filter((slot) => !kept.has(slot));
    this.#endpoints.add(old);
    const before = this.#tails.get(old.name);
    const tail = (async () => {
      await before;
      await old.idle();
      await old.closeStages(next);
      await Promise.all(slots.map((slot) => slot.close()));
    })()
      .catch((error: unknown) =>
        this.#logger.warn({ endpoint: old.name, error }, "an endpoint that was replaced could not be closed"),
      )
      .finally(() => {
        this.#endpoints.delete(old);
        if (this.#tails.get(old.name) === tail) this.#tails.delete(old.name);
      });
    this.#tails.set(old.name, tail);
  }

  async close(): Promise<void> {
    await Promise.all(this.#tails.values());
  }

  #spend(closed: Endpoint, kept: Endpoint | undefined): void {
    const { stages = [], models } = closed.options;
    for (const stage of stages) if (kept?.options.stages?.includes(stage) !== true) this.#spent.add(stage);
    if (models !== undefined && kept?.options.models !== models) this.#spent.add(models);
  }
}
