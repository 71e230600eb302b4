import type { CallOptions, FeatureRequest, FeatureVectors } from "@millwright/contracts";
import type { FeatureView } from "./definition.ts";
import type { FeatureService } from "./service-definition.ts";
import type { OnlineRow } from "./online-store.ts";
import type { OnlineReading } from "./online-view.ts";
import type { ViewNumbers } from "./vector-reader.ts";

export interface PushResult {
  readonly rows: number;
  /** Rows left out, for a null key or a null event time. */
  readonly skippedRows: number;
  /** Rows that came later than `latenessMs` behind the newest row there was before. They count where windows still reach, but answers given may have missed them. */
  readonly lateRows: number;
  /** UTC milliseconds: the newest row's event time less `latenessMs`; undefined without rows. No answer for a time up to it changes, except by late rows. */
  readonly watermarkMs: number | undefined;
}

export interface MaterializeOptions extends CallOptions {
  /** UTC milliseconds: history speaks for what happened before, pushes for what happened from then on. */
  readonly upToMs: number;
}

export interface MaterializeResult {
  /** Rows loaded from history. */
  readonly rows: number;
  /** Rows kept from pushes. */
  readonly keptRows: number;
  /**
   * UTC milliseconds: where history ended and pushes began. It is the `upToMs` asked for or, for a view with windows in tiles that was materialized
   * before, the start of the tile that falls in: what is in a tile cannot be told apart.
   */
  readonly upToMs: number;
}

/** How rows stand to those that were there before them. */
export type Arrival = Pick<PushResult, "lateRows" | "watermarkMs">;

/** What is done to an entity: it gets a row, loses all of them, or stays as it is. */
export interface OnlineChange {
  readonly row?: OnlineRow | undefined;
  readonly removes?: boolean | undefined;
}

export interface ChangeOptions extends CallOptions {
  /** Given the entity's newest row. */
  readonly decide: (newest: OnlineRow | undefined) => OnlineChange;
  /** Done before the change takes effect; where it fails, nothing is changed. */
  readonly before: (change: OnlineChange) => Promise<void>;
}

/** The online side of the store. */
export interface Online {
  read(service: FeatureService, request: FeatureRequest): Promise<FeatureVectors>;
  /** One reader a view of the service, in order. Throws `PORT_UNSUPPORTED` where rows cannot be read without waiting. */
  numbers(service: FeatureService): readonly ViewNumbers[];
  /** Counts the age of a row that is served. */
  observe(view: FeatureView, ageMs: number): void;
  /** Takes rows in any order of time. */
  add(view: FeatureView, rows: readonly OnlineRow[], signal: AbortSignal | undefined): Promise<Arrival>;
  /** Decides on the newest row of one entity and changes it; no other change of the entity comes between. */
  change(view: FeatureView, key: string, options: ChangeOptions): Promise<OnlineChange>;
  /** The newest row of each entity, whatever it says, in the order of the keys. */
  newest(
    view: FeatureView,
    keys: readonly string[],
    options?: CallOptions,
  ): Promise<readonly (OnlineRow | undefined)[]>;
  readOne(view: FeatureView, key: string, timeUs: number, options?: CallOptions): Promise<OnlineReading>;
  materialize(view: FeatureView, options: MaterializeOptions): Promise<MaterializeResult>;
  /** Waits for writes that go on in the background. */
  settle(): Promise<void>;
}
