import { createManualClock, type ManualClock } from "@millwright/contracts";
import { batchOf, column } from "@millwright/data";
import { openMemoryOnlineStore } from "../src/drivers/memory.ts";
import {
  defineEntity,
  defineFeatureService,
  defineFeatureView,
  type FeatureService,
  type FeatureStore,
  openFeatureStore,
} from "../src/index.ts";
import { temporaryDirectory } from "./rows.ts";
import { calendar } from "./score-service.ts";

export const NOON: number = Date.UTC(2026, 10, 25, 12);
const driver = defineEntity({ name: "driver", keys: { driver_id: "int64" } });
/** One feature of each kind of value. */
export const stats = defineFeatureView({
  name: "stats",
  entity: driver,
  eventTime: "happened",
  createdTime: "seen",
  deleted: "gone",
  features: {
    rating: "float64",
    share: "float32",
    trips: "int64",
    huge: "uint64",
    rank: "int8",
    car: "utf8",
    active: "bool",
    joined: "timestamp",
    born: "date",
  },
  ttlMs: 86_400_000,
});
export const weather = defineFeatureView({
  name: "weather",
  entity: defineEntity({ name: "city", keys: { city: "utf8" } }),
  eventTime: "event_timestamp",
  features: { rain: "float64", rating: "float32" },
});
export const ride: FeatureService = defineFeatureService({
  name: "ride",
  views: [stats, weather],
  onDemand: [calendar],
});
export const skies: FeatureService = defineFeatureService({ name: "skies", views: [weather] });
export const services: readonly FeatureService[] = [ride, skies];

/** A row of `stats` in the house's JSON. */
export const row = {
  driver_id: "9007199254740993",
  happened: "2026-11-25T11:59:59.5Z",
  seen: null,
  gone: false,
  rating: "NaN",
  share: 0.5,
  trips: -1,
  huge: "18446744073709551615",
  rank: 1,
  car: "z",
  active: null,
  joined: "0001-01-01T00:00:00Z",
  born: "1969-12-31",
};

/** Rows of `stats` as a client of Feast would send them. */
export const pushed = {
  driver_id: [7, 8],
  event_timestamp: ["2026-11-25T11:00:00", "2026-11-25 12:30:00.123456789+01:00"],
  created: [null, "2026-11-25 11:00:00+00:00"],
  rating: [1, null],
  share: [0.5, "0.25"],
  trips: [9, -1],
  huge: [1, 2],
  rank: [1, "2"],
  car: ["z", null],
  active: [true, 0],
  joined: ["2026-11-25T11:00:00Z", 1_700_000_000.5],
  born: ["2000-01-01", null],
};

export interface FaceStore extends AsyncDisposable {
  readonly store: FeatureStore;
  readonly clock: ManualClock;
}

/** A store with drivers 1 (whole), 2 (nulls and what JSON has no number for), 3 (gone) and 4 (expired), and the weather of Bern. */
export async function openFaceStore(): Promise<FaceStore> {
  const directory = await temporaryDirectory();
  const online = openMemoryOnlineStore();
  const clock = createManualClock(NOON);
  const store = await openFeatureStore({ history: directory.path, services, online, clock });
  const at = (...hours: readonly number[]) =>
    column(
      "timestamp",
      hours.map((hour) => new Date(NOON - hour * 3_600_000)),
    );
  await store.push(
    stats,
    batchOf({
      driver_id: column("int64", [1n, 2n, 3n, 4n]),
      happened: at(1, 2, 3, 30),
      seen: at(1, 1, 1, 1),
      gone: [false, false, true, false],
      rating: column("float64", [4.5, Number.NaN, 1, 1]),
      share: column("float32", [0.1, -0, 1, 1]),
      trips: column("int64", [2n ** 60n + 1n, null, 1n, 1n]),
      huge: column("uint64", [2n ** 64n - 1n, 0n, 1n, 1n]),
      rank: column("int8", [-128, 127, 1, 1]),
      car: column("utf8", ['ü"€😀', null, "c", "d"]),
      active: column("bool", [true, null, true, true]),
      joined: column("timestamp", [1_700_000_000_123_456n, null, 0n, 0n]),
      born: column("date", [19_000, null, 0, 0]),
    }),
  );
  await store.push(
    weather,
    batchOf({ city: ["Bern"], event_timestamp: at(1), rain: column("float64", [0]), rating: column("float32", [1.5]) }),
  );
  return {
    store,
    clock,
    async [Symbol.asyncDispose]() {
      await store[Symbol.asyncDispose]();
      await online[Symbol.asyncDispose]();
      await directory[Symbol.asyncDispose]();
    },
  };
}
