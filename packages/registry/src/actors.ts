import { actorMissing } from "./errors.ts";
import { checkLabel } from "./names.ts";

export interface ActorOptions {
  /**
   * Who acts where a call does not say (`by`): the name of a service, or a function that gives who acts at the moment, such as from an `AsyncLocalStorage`. Default:
   * nobody is named.
   */
  readonly actor?: string | (() => string | undefined) | undefined;
  /** Refuses what changes something and has no actor (`REGISTRY_ACTOR_MISSING`). Default: false, and its event names nobody. */
  readonly requireActor?: boolean | undefined;
}

/** Says who acts. */
export interface Actors {
  /** @param by Who the call says it is. Throws `REGISTRY_ACTOR_MISSING`, `REGISTRY_NAME_INVALID` for what the function gives. */
  acting(by: string | undefined): string | undefined;
  /** The same of somebody who changes nothing: nobody is refused. */
  asking(by: string | undefined): string | undefined;
}

/** Throws `REGISTRY_NAME_INVALID`. */
export function createActors({ actor, requireActor = false }: ActorOptions): Actors {
  if (actor !== undefined && typeof actor !== "function") checkLabel("an actor", actor);
  const current = (): string | undefined => {
    if (typeof actor !== "function") return actor;
    const name = actor();
    if (name !== undefined) checkLabel("an actor", name);
    return name;
  };
  const asking = (by: string | undefined): string | undefined => (by === undefined || by === "" ? current() : by);
  return {
    asking,
    acting(by) {
      const name = asking(by);
      if (name === undefined && requireActor) throw actorMissing();
      return name;
    },
  };
}
