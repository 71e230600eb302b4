import { type AccessRequest, type Authorizer, createManualClock } from "@millwright/contracts";
import { batchOf } from "@millwright/data";
import { expect, test } from "vitest";
import { openMemoryOnlineStore } from "../src/drivers/memory.ts";
import {
  defineEntity,
  defineFeatureService,
  defineFeatureView,
  openFeatureStore,
  restrictStore,
} from "../src/index.ts";
import { columnsOf, columnsOfDataset, temporaryDirectory } from "./rows.ts";

const contacts = defineFeatureView({
  name: "contacts",
  entity: defineEntity({ name: "person", keys: { person: "int32" } }),
  eventTime: "at",
  features: { phone: "utf8", income: "float64", calls: "int32" },
  columns: { phone: { sensitivity: "pii" }, income: { sensitivity: "pii" } },
});
const service = defineFeatureService({ name: "reach", views: [contacts] });

/** Who may do what: the actions of each principal. */
const rights = (
  granted: Readonly<Record<string, readonly string[]>>,
): Authorizer & { readonly asked: AccessRequest[] } => {
  const asked: AccessRequest[] = [];
  return {
    asked,
    async decide(request) {
      asked.push(request);
      const allowed = granted[request.principal ?? ""]?.includes(request.action) ?? false;
      return allowed ? { allowed } : { allowed, reason: "not granted." };
    },
  };
};

test("FS-31: who may not see personal columns gets masks, who may not read or write is refused", async () => {
  await using directory = await temporaryDirectory();
  const clock = createManualClock(1_000);
  await using store = await openFeatureStore({
    history: directory.path,
    services: [service],
    online: openMemoryOnlineStore(),
    clock,
  });
  const authorizer = rights({
    reader: ["features:read"],
    officer: ["features:read", "features:read-pii"],
    writer: ["features:write"],
  });
  const as = (principal: string) => restrictStore(store, { services: [service], authorizer, principal });
  const row = { person: 1, at: new Date(500), phone: "+49 30 1234567", income: 1e5, calls: 3 };
  await as("writer").put(contacts, [row]);
  const denied = { code: "FEATURE_STORE_ACCESS_DENIED", message: expect.stringContaining("not granted") as string };
  await expect(as("reader").put(contacts, [row])).rejects.toMatchObject(denied);
  for (const call of [
    () => as("writer").read("reach", { entities: batchOf({ person: Int32Array.of(1) }) }),
    () => as("writer").get("contacts", { person: 1 }),
    () => as("writer").scan("contacts"),
    () => as("nobody").describe("reach"),
    () => as("reader").delete("contacts", { person: 1 }),
    () => as("reader").update("contacts", { person: 1 }, { calls: 4 }),
  ])
    await expect(call()).rejects.toMatchObject(denied);
  const entities = batchOf({ person: Int32Array.of(1) });
  const seenBy = async (principal: string) => {
    const labels = batchOf({ person: Int32Array.of(1), when: [new Date(900)] });
    return {
      read: columnsOf((await as(principal).read("reach", { entities })).features),
      got: (await as(principal).get("contacts", { person: 1 })).values,
      scanned: (await columnsOfDataset(await as(principal).scan("contacts")))["phone"],
      joined: (await columnsOfDataset(await as(principal).history("reach", { labels, labelTime: "when" })))[
        "contacts__phone"
      ],
    };
  };
  expect(await seenBy("reader")).toEqual({
    read: { contacts__phone: ["***"], contacts__income: [null], contacts__calls: [3] },
    got: { phone: "***", income: null, calls: 3 },
    scanned: ["***"],
    joined: ["***"],
  });
  expect(await seenBy("officer")).toEqual({
    read: { contacts__phone: [row.phone], contacts__income: [1e5], contacts__calls: [3] },
    got: { phone: row.phone, income: 1e5, calls: 3 },
    scanned: [row.phone],
    joined: [row.phone],
  });
  expect(authorizer.asked).toContainEqual({
    principal: "reader",
    action: "features:read",
    resource: "feature-view/contacts",
  });
});
