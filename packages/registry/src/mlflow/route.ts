import type { ArtifactStore, Clock, IdSource } from "@millwright/contracts";
import type { Database } from "@millwright/storage";
import type { Registry } from "../registry.ts";
import type { RegistryTables } from "../tables/tables.ts";
import type { Fields } from "./fields.ts";
import type { MlflowAnswer, MlflowRequest } from "./message.ts";

/** What goes through the registry's own doors: gates, holds and traffic have a say. */
export type GuardedRegistry = Pick<Registry, "checkGates" | "deleteVersion" | "setAlias">;

/** What every route works with. */
export interface MlflowScope {
  readonly registry: GuardedRegistry;
  readonly database: Database<RegistryTables>;
  readonly artifacts: ArtifactStore;
  readonly clock: Clock;
  readonly ids: IdSource;
}

/** One request, its route found and its fields read. */
export interface MlflowCall {
  readonly fields: Fields;
  /** What stands in the path for `:name`, decoded. */
  readonly params: Readonly<Record<string, string>>;
  /** Who asks, where it is known. */
  readonly by: string | undefined;
  readonly signal: AbortSignal;
}

export type MlflowAction = "read" | "write" | "delete";

/** How OpenAPI tells of a field. */
export type FieldKind =
  | "text"
  | "integer"
  | "double"
  | "flag"
  | "texts"
  | "pairs"
  | "metrics"
  | "datasets"
  | "models"
  | "orders";

export interface MlflowRoute {
  readonly method: "GET" | "POST" | "PUT" | "PATCH" | "DELETE";
  /** Below `/api/2.0/mlflow`, with `:name` for a segment. */
  readonly path: string;
  readonly summary: string;
  /** Of the query (GET) or the body; `!` at the end of a name: it must be there. */
  readonly fields: Readonly<Record<string, FieldKind>>;
  readonly action: MlflowAction;
  /** What it is done to, such as `run/<id>`. */
  readonly resource: (call: Pick<MlflowCall, "fields" | "params">) => string;
  /** The members of the answer. */
  answer(call: MlflowCall): Promise<object>;
}

/** A route whose bodies are bytes. `:path` is the rest of the path. */
export interface MlflowBytesRoute {
  readonly method: "GET" | "PUT" | "POST" | "DELETE";
  readonly path: string;
  readonly summary: string;
  readonly action: MlflowAction;
  answer(request: MlflowRequest, path: string, query: string): Promise<MlflowAnswer>;
}
