import { expect, test } from "vitest";
import { feastRoutes } from "../src/feast.ts";
import { pushed, services } from "./face-store.ts";
import { openServer } from "./feast-app.ts";

const detail = (feastClass: string, message: string | RegExp) => ({
  module: "feast.errors",
  class: feastClass,
  message: typeof message === "string" ? message : (expect.stringMatching(message) as string),
});
const drivers = { driver_id: [1] };
const refused: readonly (readonly [url: string, body: unknown, status: number, said: unknown])[] = [
  [
    "search",
    { features: ["stats:rating"], query: [1, 2], top_k: 3, api_version: 2 },
    422,
    detail("FeastError", "No feature view of stats has a vector index: there is nothing to search in"),
  ],
  [
    "retrieve-online-documents",
    { features: ["none:rating"], query: [1] },
    404,
    detail("FeatureViewNotFoundException", "Feature view none does not exist"),
  ],
  [
    "search",
    { feature_service: "none", query: [1] },
    404,
    detail("FeatureServiceNotFoundException", "Feature service none does not exist"),
  ],
  ["search", { features: [], query: [1] }, 422, detail("FeastError", "No features specified for retrieval")],
  [
    "v1/vector_stores/vs_1/search",
    { query: "late" },
    404,
    { error: { message: "No vector store found with id 'vs_1'", type: "not_found_error" } },
  ],
  [
    "get-online-features",
    { features: ["none:rating"], entities: drivers },
    404,
    detail("FeatureViewNotFoundException", "Feature view none does not exist"),
  ],
  [
    "get-online-features",
    { features: ["stats@v1:rating"], entities: drivers },
    404,
    detail("FeatureViewVersionNotFound", /v1 of feature view stats .* v2/),
  ],
  [
    "get-online-features",
    { feature_service: "none", entities: drivers },
    404,
    detail("FeatureServiceNotFoundException", "Feature service none does not exist"),
  ],
  [
    "get-online-features",
    { features: ["stats:none"], entities: drivers },
    422,
    detail("FeastError", /^Feature none not found in projection stats; it has rating, /),
  ],
  [
    "get-online-features",
    { features: ["rating"], entities: drivers },
    422,
    detail("FeastError", /^Invalid feature reference 'rating'\. Expected format/),
  ],
  [
    "get-online-features",
    { features: [], entities: drivers },
    422,
    detail("FeastError", "No features specified for retrieval"),
  ],
  [
    "get-online-features",
    { features: ["stats:rating"], entities: { city: ["a"] } },
    422,
    detail("FeastError", /^Missing join key values for keys: \[driver_id\]/),
  ],
  [
    "get-online-features",
    { features: ["stats:rating"], entities: { driver_id: [1], city: [] } },
    422,
    detail("FeastError", "All entity rows must have the same columns."),
  ],
  [
    "get-online-features",
    { features: ["stats:rating"], entities: { driver_id: ["one"] } },
    422,
    detail("FeastError", /^The entities have "one" as "driver_id" in row 0\. Send an integer/),
  ],
  [
    "get-online-features",
    { features: ["stats:rating", "weather:rating"], entities: { ...drivers, city: ["a"] } },
    422,
    detail("FeatureNameCollisionError", /^Duplicate features named rating found/),
  ],
  [
    "get-online-features",
    { features: ["calendar:hour"], entities: drivers },
    404,
    detail("RequestDataNotFoundInEntityRowsException", /^Required request data source features \[at, amount\]/),
  ],
  [
    "get-online-features",
    { features: ["stats:rating"], entities: { driver_id: Array.from({ length: 21 }, () => 1) } },
    413,
    detail("FeastError", /more than 20 rows/),
  ],
  [
    "get-online-features",
    { features: "stats:rating", entities: { driver_id: 1 } },
    422,
    {
      detail: [
        { type: "list_type", loc: ["body", "features"], msg: "Input should be a valid list", input: "stats:rating" },
        { type: "list_type", loc: ["body", "entities", "driver_id"], msg: "Input should be a valid list", input: 1 },
      ],
    },
  ],
  [
    "get-online-features",
    { features: ["stats:rating"], full_feature_names: "maybe" },
    422,
    {
      detail: [
        { type: "missing", loc: ["body", "entities"], msg: "Field required", input: {} },
        {
          type: "bool_parsing",
          loc: ["body", "full_feature_names"],
          msg: "Input should be a valid boolean",
          input: "maybe",
        },
      ],
    },
  ],
  [
    "get-online-features",
    [],
    422,
    {
      detail: [
        {
          type: "model_attributes_type",
          loc: ["body"],
          msg: "Input should be a valid dictionary or object to extract fields from",
          input: null,
        },
      ],
    },
  ],
  [
    "get-online-features",
    "{",
    422,
    {
      detail: [
        {
          type: "json_invalid",
          loc: ["body", 0],
          msg: expect.stringContaining("JSON decode error") as string,
          input: {},
        },
      ],
    },
  ],
  [
    "push",
    { push_source_name: "none", df: drivers },
    422,
    detail("PushSourceNotFoundException", "Unable to find push source 'none'."),
  ],
  [
    "push",
    { push_source_name: "stats", df: drivers, to: "nowhere" },
    422,
    detail("FeastError", /^nowhere is not a supported push format/),
  ],
  ["push", { push_source_name: "stats", df: drivers }, 422, detail("FeastError", /lack the column "happened"/)],
  [
    "push",
    { push_source_name: "stats", df: { ...pushed, event_timestamp: ["2030-05-13 10:59:42+00:00", null] } },
    422,
    detail("FeastError", /maxFutureMs/),
  ],
  [
    "push",
    { df: drivers },
    422,
    { detail: [{ type: "missing", loc: ["body", "push_source_name"], msg: "Field required", input: {} }] },
  ],
  [
    "write-to-online-store",
    { feature_view_name: "none", df: drivers },
    404,
    detail("FeatureViewNotFoundException", /No feature view is named "none"/),
  ],
  [
    "materialize",
    { start_ts: "2026-11-25T12:00:00Z", end_ts: "2026-11-25T11:00:00Z" },
    422,
    detail("FeastError", /must be before end_ts/),
  ],
  ["materialize", { start_ts: "y", end_ts: "x" }, 422, detail("FeastError", /^Invalid timestamp format/)],
  [
    "materialize",
    {},
    422,
    detail("FeastError", "start_ts and end_ts are required when disable_event_timestamp is False"),
  ],
  [
    "materialize-incremental",
    { end_ts: "2026-11-25", feature_views: ["none"] },
    404,
    detail("FeatureViewNotFoundException", /none/),
  ],
  [
    "materialize-incremental",
    {},
    422,
    { detail: [{ type: "missing", loc: ["body", "end_ts"], msg: "Field required", input: {} }] },
  ],
];

test("what is refused is refused in Feast's own form, from which its client makes the exception again", async () => {
  await using server = await openServer({ viewVersions: { stats: 2 }, maxBodyRows: 20 });
  for (const [url, body, status, said] of refused) {
    expect(await server.post(`/${url}`, body), `${url} ${JSON.stringify(body).slice(0, 200)}`).toEqual([status, said]);
  }
});

test("nobody reads or writes whom the authorizer does not let, and a push source names views that are there", async () => {
  const authorizer = { decide: async () => ({ allowed: false, reason: "the door is shut" }) as const };
  await using server = await openServer({ authorizer });
  const bodies = {
    "get-online-features": { features: ["stats:rating"], entities: drivers },
    search: { features: ["stats:rating"], query: [1] },
    push: { push_source_name: "stats", df: {} },
    "write-to-online-store": { feature_view_name: "stats", df: {} },
    "materialize-incremental": { end_ts: "2026-11-25" },
  };
  for (const [url, body] of Object.entries(bodies)) {
    expect(await server.post(`/${url}`, body), url).toEqual([403, detail("FeastPermissionError", /the door is shut/)]);
  }
  expect((await server.app.inject("/health")).statusCode).toBe(200);
  expect((await server.app.inject("/v1/vector_stores")).json()).toEqual({ object: "list", data: [] });
  expect((await server.app.inject("/v1/vector_stores/vs_1")).statusCode).toBe(404);
  expect(() => feastRoutes(server.face.store, { services, pushSources: { a: ["none"] } })).toThrow(
    'No feature view is named "none"',
  );
});
