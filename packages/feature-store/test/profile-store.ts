import { createManualClock } from "@millwright/contracts";
import { openMemoryOnlineStore } from "../src/drivers/memory.ts";
import {
  defineEntity,
  defineFeatureService,
  defineFeatureView,
  openFeatureStore,
  type FeatureStore,
  type FeatureView,
} from "../src/index.ts";
import { columnsOfDataset, temporaryDirectory } from "./rows.ts";

export const user = defineEntity({ name: "user", keys: { user: "utf8" } });
export const define = (options: Partial<Parameters<typeof defineFeatureView>[0]> = {}): FeatureView =>
  defineFeatureView({
    name: "profile",
    entity: user,
    eventTime: "at",
    features: { plan: "utf8", credit: "int64", score: "float64" },
    ...options,
  });
export const at = (ms: number): Date => new Date(ms);
export const record = (name: string, ms: number, plan = `plan ${ms}`) => ({
  user: name,
  at: at(ms),
  plan,
  credit: BigInt(ms),
  score: ms / 10,
});

export interface Setting extends AsyncDisposable {
  readonly store: FeatureStore;
  readonly clock: ReturnType<typeof createManualClock>;
  readonly view: FeatureView;
}

export async function setUp(view: FeatureView, nowMs = 1_000): Promise<Setting> {
  const directory = await temporaryDirectory();
  const clock = createManualClock(nowMs);
  const store = await openFeatureStore({
    history: directory.path,
    services: [defineFeatureService({ name: "all", views: [view] })],
    online: openMemoryOnlineStore(),
    clock,
  });
  return {
    store,
    clock,
    view,
    async [Symbol.asyncDispose]() {
      await store[Symbol.asyncDispose]();
      await directory[Symbol.asyncDispose]();
    },
  };
}

/** The history of the view as `scan` gives it. */
export const scanned = async (
  store: FeatureStore,
  options: Parameters<FeatureStore["scan"]>[1] = {},
): Promise<Record<string, unknown[]>> => await columnsOfDataset(await store.scan("profile", options));
