import type {
  AccessRequest,
  Authorizer,
  Batch,
  CallOptions,
  Column,
  Dataset,
  FeatureSource,
} from "@millwright/contracts";
import { column, mapDataset, withColumns } from "@millwright/data";
import type { FeatureView } from "./definition/definition.ts";
import type { FeatureService } from "./definition/service-definition.ts";
import { accessDenied } from "./errors.ts";
import type { FeatureStore } from "./feature-store.ts";
import type { HistoryRequest } from "./given-requests.ts";
import type { FeatureRecord } from "./records/record-types.ts";
import { personalColumns } from "./inspection/served-samples.ts";

/** The calls of a feature store that one principal may be given. */
export interface RestrictedStore extends Pick<
  FeatureStore,
  "describe" | "read" | "get" | "put" | "push" | "update" | "delete" | "ingest" | "scan"
> {
  history(service: string | FeatureService, options: HistoryRequest): Promise<Dataset>;
}

export interface RestrictOptions {
  /** Those of the store. */
  readonly services: readonly FeatureService[];
  readonly authorizer: Authorizer;
  /** Who asks. */
  readonly principal: string;
}

/** What stands for a text that its reader may not see; of other types it is null. */
const MASK = "***";

/**
 * The store as one principal may see it. Asked are `features:read` and `features:write` of `feature-service/<id>` and `feature-view/<id>`, and for columns that
 * are `pii` `features:read-pii`: who may not see them gets `***` for text and null for all else. A call that is not allowed throws
 * `FEATURE_STORE_ACCESS_DENIED`.
 */
export function restrictStore(store: FeatureStore, options: RestrictOptions): RestrictedStore {
  const { services, authorizer, principal } = options;
  const views = new Map(services.flatMap((service) => service.views).map((view) => [view.id, view]));
  const ask = async (action: string, resource: string, call: CallOptions = {}): Promise<boolean> => {
    const request: AccessRequest = { principal, action, resource };
    const decision = await authorizer.decide(request, { signal: call.signal });
    return decision.allowed;
  };
  const demand = async (action: string, resource: string, call: CallOptions = {}): Promise<void> => {
    const decision = await authorizer.decide({ principal, action, resource }, { signal: call.signal });
    if (!decision.allowed) throw accessDenied(principal, action, resource, decision.reason);
  };
  const idOf = (view: string | FeatureView): string => (typeof view === "string" ? view.replace(/@v1$/, "") : view.id);
  const viewResource = (view: string | FeatureView): string => `feature-view/${idOf(view)}`;
  /** The personal columns of a service or view that the principal may not see. */
  const hiddenOf = async (kind: "service" | "view", id: string, call?: CallOptions): Promise<ReadonlySet<string>> => {
    const columns = kind === "service" ? servicesPersonal(services, id) : viewPersonal(views.get(id));
    if (columns.size === 0 || (await ask("features:read-pii", `feature-${kind}/${id}`, call))) return new Set();
    return columns;
  };
  const describe: FeatureSource["describe"] = async (service, call) => {
    const described = await store.describe(service, call);
    await demand("features:read", `feature-service/${described.name}`, call);
    return described;
  };
  return {
    describe,
    async read(service, request) {
      const { name, digest } = await describe(typeof service === "string" ? service : service.id, request);
      const served = await store.read(`${name}@${digest}`, request);
      return { ...served, features: masked(served.features, await hiddenOf("service", digest, request)) };
    },
    async get(view, keys, call = {}) {
      await demand("features:read", viewResource(view), call);
      const record = await store.get(view, keys, call);
      return maskedRecord(record, await hiddenOf("view", idOf(view), call));
    },
    async scan(view, call = {}) {
      await demand("features:read", viewResource(view), call);
      return maskedDataset(await store.scan(view, call), await hiddenOf("view", idOf(view), call));
    },
    async history(service, call) {
      const id = typeof service === "string" ? service : service.id;
      const { digest } = await describe(id, call);
      return maskedDataset(await store.history(service, call), await hiddenOf("service", digest, call));
    },
    put: (view, rows, call) =>
      demand("features:write", viewResource(view), call).then(() => store.put(view, rows, call)),
    push: (view, rows, call) =>
      demand("features:write", viewResource(view), call).then(() => store.push(view, rows, call)),
    ingest: (view, rows, call) =>
      demand("features:write", viewResource(view), call).then(() => store.ingest(view, rows, call)),
    delete: (view, keys, call) =>
      demand("features:write", viewResource(view), call).then(() => store.delete(view, keys, call)),
    async update(view, keys, patch, call = {}) {
      await demand("features:write", viewResource(view), call);
      const record = await store.update(view, keys, patch, call);
      return maskedRecord(record, await hiddenOf("view", idOf(view), call));
    },
  };
}

const servicesPersonal = (services: readonly FeatureService[], digest: string): ReadonlySet<string> =>
  new Set(services.filter((service) => service.digest === digest).flatMap((service) => [...personalColumns(service)]));

const viewPersonal = (view: FeatureView | undefined): ReadonlySet<string> =>
  new Set(
    Object.entries(view?.columns ?? {}).flatMap(([name, { sensitivity }]) => (sensitivity === "pii" ? [name] : [])),
  );

function masked(batch: Batch, hidden: ReadonlySet<string>): Batch {
  const replaced = Object.entries(batch.columns)
    .filter(([name]) => hidden.has(name))
    .map(([name, given]) => [name, maskedColumn(given)] as const);
  return replaced.length === 0 ? batch : withColumns(batch, Object.fromEntries(replaced));
}

function maskedColumn(given: Column): Column {
  const { type, length } = given;
  const isText = type === "utf8" || type === "dictionary";
  const items = given.type === "list" ? given.values.type : undefined;
  return column(type, Array<string | null>(length).fill(isText ? MASK : null), { items });
}

function maskedDataset(dataset: Dataset, hidden: ReadonlySet<string>): Dataset {
  if (hidden.size === 0) return dataset;
  return mapDataset(dataset, (batch) => masked(batch, hidden));
}

function maskedRecord(record: FeatureRecord, hidden: ReadonlySet<string>): FeatureRecord {
  const values = Object.entries(record.values).map(([name, value]) => {
    if (!hidden.has(name)) return [name, value] as const;
    return [name, typeof value === "string" ? MASK : null] as const;
  });
  return { ...record, values: Object.fromEntries(values) };
}
