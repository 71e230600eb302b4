import type { Column, FeatureRequest, FeatureVectors, Histogram, ViewStatus } from "@millwright/contracts";
import { featureName, type FeatureView } from "../definition/definition.ts";
import { createBlobReader, type BlobReader } from "./entity-blob.ts";
import type { KeyedOnlineStore } from "./keyed-store.ts";
import { createKeyedVectors, type KeyedVectors } from "./keyed-vectors.ts";
import { entryError, type KeyedView } from "./keyed-view.ts";
import type { FeatureService } from "../definition/service-definition.ts";
import { checkBatch, entityKeysOf } from "../definition/source-columns.ts";

export interface KeyedReadOptions {
  readonly store: KeyedOnlineStore;
  readonly timeUs: number;
  readonly ages: Histogram;
  readonly viewOf: (view: FeatureView) => KeyedView;
  /** What `emptyColumns` made for the service. */
  readonly empty: Readonly<Record<string, Column>>;
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
  if (!store.capabilities.synchronous) return readLater(service, request, groups, options);
  for (const group of groups) {
    for (let row = 0; row < group.keys.length; row++) {
      const key = group.keys[row];
      takeEntity(group, row, blob, key === undefined ? undefined : store.readNow(group.group, key));
    }
  }
  return vectorsOf(service, request, groups, options);
}

async function readLater(
  service: FeatureService,
  request: FeatureRequest,
  groups: readonly GroupRead[],
  options: KeyedReadOptions,
): Promise<FeatureVectors> {
  const { store } = options;
  const blob = createBlobReader();
  const readGroup = async (group: GroupRead): Promise<void> => {
    const wanted = [...new Set(group.keys.filter((key) => key !== undefined))];
    const found = await store.read(group.group, wanted, { signal: request.signal });
    const byKey = new Map(wanted.map((key, index) => [key, found[index]]));
    group.keys.forEach((key, row) => takeEntity(group, row, blob, key === undefined ? undefined : byKey.get(key)));
  };
  await Promise.all(groups.map(readGroup));
  return vectorsOf(service, request, groups, options);
}

function groupsOf(service: FeatureService, { entities }: FeatureRequest, options: KeyedReadOptions): GroupRead[] {
  const groups: (GroupRead & { readonly views: { keyed: KeyedView; vectors: KeyedVectors }[] })[] = [];
  for (const view of service.views) {
    const keyed = options.viewOf(view);
    // Entities of one name may take their keys from other columns in other views.
    let group = groups.find(({ views }) => isSameEntity(views[0]!.keyed.view, view));
    if (group === undefined) {
      checkBatch("The entities", keyed.keySchema, entities);
      const keys = entityKeysOf(view.entity.keys, entities);
      groups.push((group = { group: keyed.group, keys, views: [] }));
    }
    const { timeUs, ages } = options;
    group.views.push({ keyed, vectors: createKeyedVectors(keyed, { rows: entities.length, timeUs, ages }) });
  }
  return groups;
}

const isSameEntity = (one: FeatureView, other: FeatureView): boolean =>
  one.entity === other.entity ||
  (one.entity.name === other.entity.name &&
    Object.keys(one.entity.keys).join(" ") === Object.keys(other.entity.keys).join(" "));

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

/** Stands where a view will, so that views keep their order. */
const NONE_YET: ViewStatus = { status: [], ageMs: new Float64Array(0) };

function vectorsOf(
  service: FeatureService,
  request: FeatureRequest,
  groups: readonly GroupRead[],
  { empty }: KeyedReadOptions,
): FeatureVectors {
  // With all names in their order from the start the columns stay an object of one shape, which is twice as fast to fill.
  const columns = { ...empty };
  const views: Record<string, ViewStatus> = {};
  for (const { name } of service.views) views[name] = NONE_YET;
  for (const group of groups) {
    for (const { keyed, vectors } of group.views) {
      vectors.addTo(columns);
      views[keyed.view.name] = vectors.status;
    }
  }
  return { features: { length: request.entities.length, columns }, views };
}

/** Columns of a service that are yet to be filled, in their order, as an object that copies fast. */
export const emptyColumns = (service: FeatureService): Record<string, Column> =>
  JSON.parse(
    JSON.stringify(
      Object.fromEntries(
        service.views.flatMap((view) => view.featureNames.map((name) => [featureName(view, name), null])),
      ),
    ),
  ) as Record<string, Column>;
