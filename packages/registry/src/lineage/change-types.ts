import type { LineageEntity } from "./lineage-types.ts";

/** What of a system may change. `profile`: statistics of the training data; `config`: how a package is put together; `approval`: decisions and stages. */
export type ChangeKind =
  | "traffic"
  | "alias"
  | "features"
  | "profile"
  | "code"
  | "data"
  | "params"
  | "environment"
  | "config"
  | "approval";

/** Something that is otherwise than before. */
export interface FoundChange {
  readonly kind: ChangeKind;
  /** What it is about: an endpoint, `late@champion`, a view, a parameter's name. */
  readonly subject: string;
  /** In words. */
  readonly what: string;
  readonly before?: unknown;
  readonly after?: unknown;
  /** How much of it changed, in [0, 1]. */
  readonly size: number;
  /** UTC, milliseconds; absent where two versions are compared. */
  readonly timeMs?: number | undefined;
  readonly by?: string | undefined;
  readonly eventId?: string | undefined;
}

/** A change with what it touches: what decides whether it is on the way to what is affected. */
export interface TouchingChange extends FoundChange {
  readonly touches: readonly (LineageEntity & { readonly name?: string | undefined })[];
}

/** A change, and how plausible it is as the cause of an incident. */
export interface RankedChange extends FoundChange {
  /** In [0, 1]: the product of what `reasons` tell. */
  readonly score: number;
  readonly reasons: readonly string[];
}

/** How often a change of the kind is the cause, against one of traffic: what reaches answers at once before what only says something. */
export const priors: Readonly<Record<ChangeKind, number>> = {
  traffic: 1,
  alias: 0.95,
  features: 0.9,
  profile: 0.8,
  code: 0.8,
  data: 0.7,
  params: 0.6,
  environment: 0.6,
  config: 0.5,
  approval: 0.2,
};
