import { gzipSync } from "node:zlib";
import { batchOf, column, toIpc } from "@millwright/data";
import { expect, test } from "vitest";
import { httpStatusOf } from "../src/fastify.ts";
import { unknownView } from "../src/errors.ts";
import { arrow, openFace } from "./face-app.ts";
import { row } from "./face-store.ts";

const statuses: Readonly<Record<string, number>> = {
  FEATURE_STORE_BODY_INVALID: 400,
  FEATURE_STORE_BODY_TOO_LARGE: 413,
  FEATURE_STORE_COLUMN_MISSING: 422,
  FEATURE_STORE_COLUMN_TYPE: 422,
  FEATURE_STORE_CONTENT_TYPE_UNSUPPORTED: 415,
  FEATURE_STORE_VALUE_INVALID: 422,
  FEATURE_STORE_VIEW_UNKNOWN: 404,
  PORT_FEATURE_SERVICE_UNKNOWN: 404,
};

type Refusal = readonly [what: string, body: unknown, code: string, headers?: Record<string, string>];
const skies = (body: object): object => ({ entities: body });
const ask = { at: [null], amount: [1] };
const cities = Array.from({ length: 21 }, () => "a");
const ofRide = { driver_id: column("int64", [1n]), city: ["a"], amount: column("float64", [1]) };

const refusals: Readonly<Record<string, readonly Refusal[]>> = {
  "services/skies/read": [
    ["text that is no JSON", "{", "FEATURE_STORE_BODY_INVALID"],
    ["bytes that are no UTF-8", new Uint8Array([0xff]), "FEATURE_STORE_BODY_INVALID"],
    ["a list", [], "FEATURE_STORE_BODY_INVALID"],
    ["no entities", {}, "FEATURE_STORE_BODY_INVALID"],
    ["a column that is no list", skies({ city: "Bern" }), "FEATURE_STORE_BODY_INVALID"],
    ["a row that is no object", skies(["Bern"]), "FEATURE_STORE_BODY_INVALID"],
    ["columns of two lengths", skies({ city: ["a"], more: [] }), "FEATURE_STORE_BODY_INVALID"],
    ["a time that is no number", { entities: { city: [] }, timeMs: "now" }, "FEATURE_STORE_BODY_INVALID"],
    ["a time of no calendar", { entities: { city: [] }, timeMs: 1e300 }, "FEATURE_STORE_BODY_INVALID"],
    ["a missing key", skies({ town: ["a"] }), "FEATURE_STORE_COLUMN_MISSING"],
    ["a key of another type", skies({ city: [1] }), "FEATURE_STORE_VALUE_INVALID"],
    ["too many rows", skies({ city: cities }), "FEATURE_STORE_BODY_TOO_LARGE"],
    ["too many objects", skies(cities.map((city) => ({ city }))), "FEATURE_STORE_BODY_TOO_LARGE"],
    ["too many bytes", skies({ city: ["a".repeat(5000)] }), "FEATURE_STORE_BODY_TOO_LARGE"],
    [
      "too many bytes once unpacked",
      new Uint8Array(gzipSync("a".repeat(5000))),
      "FEATURE_STORE_BODY_TOO_LARGE",
      { "content-encoding": "gzip" },
    ],
    ["what is not packed as it says", "{}", "FEATURE_STORE_BODY_INVALID", { "content-encoding": "gzip" }],
    ["another packing", "{}", "FEATURE_STORE_CONTENT_TYPE_UNSUPPORTED", { "content-encoding": "br" }],
    ["another type", "city\nBern", "FEATURE_STORE_CONTENT_TYPE_UNSUPPORTED", { "content-type": "text/csv" }],
    ["bytes that are no Arrow", new Uint8Array([1, 2, 3]), "FEATURE_STORE_BODY_INVALID", arrow],
    ["no bytes of Arrow", new Uint8Array(0), "FEATURE_STORE_BODY_INVALID", arrow],
    [
      "an Arrow column that nests",
      toIpc(batchOf({ city: ["a"], more: column("list", [["b"]], { items: "utf8" }) })),
      "FEATURE_STORE_BODY_INVALID",
      arrow,
    ],
    [
      "an Arrow column of another type",
      toIpc(batchOf({ city: column("int32", [1]) })),
      "FEATURE_STORE_COLUMN_TYPE",
      arrow,
    ],
    ["too many Arrow rows", toIpc(batchOf({ city: cities })), "FEATURE_STORE_BODY_TOO_LARGE", arrow],
  ],
  "services/ride/read": [
    [
      "an integer that JavaScript would round",
      { entities: { driver_id: [2 ** 60], city: ["a"] }, request: ask },
      "FEATURE_STORE_VALUE_INVALID",
    ],
    [
      "fewer request inputs than entities",
      { entities: { driver_id: [1, 2], city: ["a", "b"] }, request: ask },
      "FEATURE_STORE_BODY_INVALID",
    ],
    ["no request inputs", { entities: { driver_id: [1], city: ["a"] } }, "FEATURE_STORE_COLUMN_MISSING"],
    [
      "an Arrow time of no calendar",
      toIpc(batchOf({ ...ofRide, at: column("timestamp", [2n ** 62n]) })),
      "FEATURE_STORE_VALUE_INVALID",
      arrow,
    ],
  ],
  "services/none/read": [["an unknown service", {}, "PORT_FEATURE_SERVICE_UNKNOWN"]],
  "views/none/push": [["an unknown view", {}, "FEATURE_STORE_VIEW_UNKNOWN"]],
  "views/none/materialize": [["an unknown view to load", {}, "FEATURE_STORE_VIEW_UNKNOWN"]],
  "views/stats/push": [
    ["no rows", {}, "FEATURE_STORE_BODY_INVALID"],
    ["a row without a column", { rows: [{ ...row, car: undefined }] }, "FEATURE_STORE_COLUMN_MISSING"],
    ["a value out of range", { rows: [{ ...row, rank: 128 }] }, "FEATURE_STORE_VALUE_INVALID"],
    [
      "an infinity that does not say so",
      JSON.stringify({ rows: [row] }).replace("0.5", "1e999"),
      "FEATURE_STORE_VALUE_INVALID",
    ],
    [
      "a time with an offset",
      { rows: [{ ...row, joined: "2026-11-25T12:00:00+01:00" }] },
      "FEATURE_STORE_VALUE_INVALID",
    ],
    ["a row of a far future", { rows: [{ ...row, happened: "2030-01-01T00:00:00Z" }] }, "FEATURE_STORE_VALUE_INVALID"],
  ],
  "views/stats/materialize": [["up to no time", { upToMs: null }, "FEATURE_STORE_BODY_INVALID"]],
};

test("what cannot be answered is refused with the status and the code of its mistake, and says what to do", async () => {
  await using face = await openFace({ maxBodyRows: 20, maxBodyBytes: 4096 });
  for (const [url, each] of Object.entries(refusals)) {
    for (const [what, body, code, headers] of each) {
      const answer = await face.post(`/features/${url}`, body, headers);
      const said = answer.json() as { code: string; error: string };
      expect([answer.statusCode, said.code], `${url}: ${what}`).toEqual([statuses[code], code]);
      expect(said.error.length, what).toBeGreaterThan(20);
    }
  }
  expect((await face.post("/features/services/skies/read", skies({ city: [1] }))).json()).toEqual({
    error: 'The entities have 1 as "city" in row 0. Send text.',
    code: "FEATURE_STORE_VALUE_INVALID",
  });
});

test("the table of statuses is there for other faces, and knows what is not of the house", () => {
  expect(httpStatusOf(unknownView("none", []))).toBe(404);
  expect(httpStatusOf(new Error("a bug"))).toBe(500);
});
