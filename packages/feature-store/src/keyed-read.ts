import type { Column, FeatureRequest, FeatureVectors, Histogram, ViewStatus } from "@millwright/contracts";
import type { FeatureService, FeatureView } from "./definition.ts";
import { createBlobReader, type BlobReader } from "./entity-blob.ts";
import type { KeyedOnlineStore } from "./keyed-store.ts";
import { createKeyedVectors, type KeyedVectors } from "./keyed-vectors.ts";
import { entryError, type KeyedView } from "./keyed-view.ts";
import { onDemandColumns } from "./read-vectors.ts";
import { checkBatch, entityKeysOf, keySchema } from "./source-columns.ts";

export interface KeyedReadOptions {
  readonly store: KeyedOnlineStore;
  readonly timeUs: number;
  readonly ages: Histogram;
  readonly viewOf: (view: FeatureView) => KeyedView;
}

/** Views of one entity, read together. */
interface GroupRead {
  readonly group: string;
  readonly keys: readonly (string | undefined)[];
  readonly views: readonly { readonly keyed: KeyedView; readonly vectors: KeyedVectors }[];
}

/** Reads a service with one look at each entity of each kind. At once, where the store can read without waiting. */
export function readKeyed(
  service: FeatureService,
  request: FeatureRequest,
  options: KeyedReadOptions,
): FeatureVectors | Promise<FeatureVectors> {
  const groups = groupsOf(service, request, options);
  const { store } = options;
  const blob = createBlobReader();
  if (!store.capabilities.synchronous) return readLater(service, request, groups, store);
  for (const group of groups) {
    for (let row = 0; row < group.keys.length; row++) {
      const key = group.keys[row];
      takeEntity(group, row, blob, key === undefined ? undefined : store.readNow(group.group, key));
    }
  }
  return vectorsOf(service, request, groups);
}

async function readLater(
  service: FeatureService,
  request: FeatureRequest,
  groups: readonly GroupRead[],
  store: KeyedOnlineStore,
): Promise<FeatureVectors> {
  const blob = createBlobReader();
  const readGroup = async (group: GroupRead): Promise<void> => {
    const wanted = [...new Set(group.keys.filter((key) => key !== undefined))];
    const found = await store.read(group.group, wanted, { signal: request.signal });
    const byKey = new Map(wanted.map((key, index) => [key, found[index]]));
    group.keys.forEach((key, row) => takeEntity(group, row, blob, key === undefined ? undefined : byKey.get(key)));
  };
  await Promise.all(groups.map(readGroup));
  return vectorsOf(service, request, groups);
}

function groupsOf(service: FeatureService, { entities }: FeatureRequest, options: KeyedReadOptions): GroupRead[] {
  const groups = new Map<string, GroupRead & { readonly views: { keyed: KeyedView; vectors: KeyedVectors }[] }>();
  for (const view of service.views) {
    const keyed = options.viewOf(view);
    // Entities of one name may take their keys from other columns in other views.
    const name = `${keyed.group} ${Object.keys(view.entity.keys).join(" ")}`;
    let group = groups.get(name);
    if (group === undefined) {
      checkBatch("The entities", keySchema(view), entities);
      const keys = entityKeysOf(view.entity.keys, entities);
      groups.set(name, (group = { group: keyed.group, keys, views: [] }));
    }
    const { timeUs, ages } = options;
    group.views.push({ keyed, vectors: createKeyedVectors(keyed, { rows: entities.length, timeUs, ages }) });
  }
  return [...groups.values()];
}

/** Decodes what was read of an entity for all views of its group. */
function takeEntity(group: GroupRead, row: number, blob: BlobReader, bytes: Uint8Array | undefined): void {
  const key = group.keys[row];
  try {
    if (bytes !== undefined) blob.open(bytes, () => `The online entry "${key}" of "${group.group}"`);
    for (const { keyed, vectors } of group.views) {
      vectors.take(row, key, blob, bytes === undefined ? -1 : blob.find(keyed.layout.mark));
    }
  } catch (error) {
    throw entryError(error, group.group, key ?? "");
  }
}

function vectorsOf(service: FeatureService, request: FeatureRequest, groups: readonly GroupRead[]): FeatureVectors {
  const read = new Map(groups.flatMap(({ views }) => views.map(({ keyed, vectors }) => [keyed.view.name, vectors])));
  const columns: Record<string, Column> = {};
  const views: Record<string, ViewStatus> = {};
  for (const { name } of service.views) {
    const vectors = read.get(name)!;
    Object.assign(columns, vectors.columns());
    views[name] = vectors.status;
  }
  if (service.onDemand.length > 0) Object.assign(columns, onDemandColumns(service, request));
  return { features: { length: request.entities.length, columns }, views };
}
