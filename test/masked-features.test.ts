import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { type Authorizer, createManualClock } from "../packages/contracts/dist/index.js";
import { batchOf, datasetOf, fitTransforms } from "../packages/data/dist/index.js";
import { openMemoryOnlineStore } from "../packages/feature-store/dist/drivers/memory.js";
import {
  defineEntity,
  defineFeatureService,
  defineFeatureView,
  type FeatureStore,
  openFeatureStore,
  restrictStore,
} from "../packages/feature-store/dist/index.js";
import { denseRuntime, openDirectoryModelSource, packModel, writeDenseModel } from "../packages/model/dist/index.js";
import { type EndpointOptions, type ModelServer, openModelServer } from "../packages/serving/dist/index.js";

const person = defineEntity({ name: "person", keys: { person: "int32" } });
const contacts = defineFeatureView({
  name: "contacts",
  entity: person,
  eventTime: "at",
  features: { income: "float64", calls: "float64" },
  columns: { income: { sensitivity: "pii" } },
});
const services = [defineFeatureService({ name: "reach", views: [contacts] })];

const granted: Readonly<Record<string, readonly string[]>> = {
  clerk: ["endpoint:invoke", "features:read"],
  officer: ["endpoint:invoke", "features:read", "features:read-pii"],
  stranger: ["endpoint:invoke"],
};
const authorizer: Authorizer = {
  decide: async ({ principal = "", action }) =>
    granted[principal]?.includes(action) === true ? { allowed: true } : { allowed: false, reason: "not granted" },
};

interface Opened extends AsyncDisposable {
  readonly root: string;
  readonly store: FeatureStore;
}

/** One person in a store, and a model that adds up what it is given of her: a missing income counts as 7. */
async function open(): Promise<Opened> {
  const root = await mkdtemp(join(tmpdir(), "millwright-masked-"));
  const clock = createManualClock(1_000);
  const online = openMemoryOnlineStore();
  const store = await openFeatureStore({ history: join(root, "history"), services, online, clock });
  await store.put(contacts, [{ person: 1, at: new Date(500), income: 1_000, calls: 3 }]);
  const columns = ["contacts__income", "contacts__calls"] as const;
  const transforms = await fitTransforms(
    columns.map((column) => ({ kind: "numeric", column, impute: 7, scale: "none" }) as const),
    datasetOf([batchOf({ contacts__income: [1, 2], contacts__calls: [1, 2] })]),
  );
  const dense = writeDenseModel([{ kernel: [1, 1], bias: [0], activation: "linear" }]);
  const trained = { name: "reach", digest: services[0]!.digest };
  const packed = { name: "late", format: "dense", ...dense, transforms: { ...transforms }, featureService: trained };
  await packModel(join(root, "models", "late", "1"), packed as never);
  return {
    root,
    store,
    async [Symbol.asyncDispose]() {
      await store[Symbol.asyncDispose]();
      await rm(root, { recursive: true, force: true });
    },
  };
}

const serve = ({ root, store }: Opened, readFeaturesAs: EndpointOptions["readFeaturesAs"]): Promise<ModelServer> =>
  openModelServer({
    source: openDirectoryModelSource(join(root, "models")),
    runtimes: [denseRuntime()],
    features: store,
    featuresAs: (principal) => restrictStore(store, { services, authorizer, principal }),
    authorizer,
    principal: (headers) => headers["x-caller"],
    endpoints: { late: { variants: { main: { model: "late/1", weight: 1 } }, readFeaturesAs } },
    watch: false,
  });

/** Status, and what came out or the code of what was refused. */
async function ask(server: ModelServer, caller: string): Promise<readonly [number, unknown]> {
  const body = JSON.stringify({ entities: [{ person: 1 }] });
  const headers = { "content-type": "application/json", "x-caller": caller };
  const url = "http://localhost/endpoints/late/predict";
  const answer = await server.handle(new Request(url, { method: "POST", headers, body }));
  const told = (await answer.json()) as { readonly code?: string };
  return [answer.status, told.code ?? JSON.stringify(told)];
}

test("FS-31: an endpoint reads features as the principal it names: what that one may not see, its model does not see", async () => {
  await using opened = await open();
  const seen = async (readFeaturesAs: EndpointOptions["readFeaturesAs"]): Promise<number> => {
    await using server = await serve(opened, readFeaturesAs);
    const { outputs } = await server.predict("late", { entities: [{ person: 1 }] });
    return Object.values(outputs)[0]!.data[0] as number;
  };
  expect(await seen(undefined)).toBe(1_003);
  expect(await seen({ principal: "officer" })).toBe(1_003);
  expect(await seen({ principal: "clerk" })).toBe(10);
  await expect(serve(opened, { principal: "stranger" })).rejects.toMatchObject({ code: "FEATURE_STORE_ACCESS_DENIED" });
});

test("FS-31: an endpoint that reads as its caller masks for each caller what that one may not see", async () => {
  await using opened = await open();
  await using server = await serve(opened, "caller");
  const [status, officer] = await ask(server, "officer");
  expect(status).toBe(200);
  expect(officer).toContain("1003");
  const [, clerk] = await ask(server, "clerk");
  expect(clerk).toContain("10");
  expect(clerk).not.toContain("1003");
  expect(await ask(server, "stranger")).toEqual([403, "FEATURE_STORE_ACCESS_DENIED"]);
  // In this process the request says who asks.
  const entities = [{ person: 1 }];
  const own = await server.predict("late", { entities, principal: "clerk" });
  expect([...Object.values(own.outputs)[0]!.data]).toEqual([10]);
  await expect(server.predict("late", { entities })).rejects.toMatchObject({ code: "SERVING_FORBIDDEN" });
});

test("FS-31: an endpoint that names whom it reads as needs a source that can", async () => {
  await using opened = await open();
  const options = {
    source: openDirectoryModelSource(join(opened.root, "models")),
    runtimes: [denseRuntime()],
    features: opened.store,
    endpoints: { late: { variants: { main: { model: "late/1", weight: 1 } }, readFeaturesAs: "caller" } },
  } as const;
  await expect(openModelServer(options)).rejects.toThrow("featuresAs");
  for (const wrong of ["Caller", {}, { principal: "" }])
    await expect(serve(opened, wrong as never), JSON.stringify(wrong)).rejects.toThrow(
      "neither { principal: text } nor",
    );
});
