import { readFileSync } from "node:fs";
import { Ajv2020, type ValidateFunction } from "ajv/dist/2020.js";

/**
 * The rules of OpenLineage 2.0.2, written anew from its specification: what must be there, and of which form.
 * @see https://openlineage.io/spec/2-0-2/OpenLineage.json
 */
const text = { type: "string" };
const uri = { type: "string", format: "uri" };
const time = { type: "string", format: "date-time" };
const uuid = { type: "string", format: "uuid" };
const count = { type: "integer" };
const object = (properties: object, required: readonly string[] = Object.keys(properties)): object => ({
  type: "object",
  properties,
  required,
});
const list = (items: object): object => ({ type: "array", items });
const facet = (properties: object, required: readonly string[] = []): object =>
  object({ _producer: uri, _schemaURL: uri, _deleted: { type: "boolean" }, ...properties }, [
    "_producer",
    "_schemaURL",
    ...required,
  ]);
const named = { namespace: text, name: text };
const run = object({ runId: uuid });
const job = object(named);
const tags = list(object({ key: text, value: text, source: text, field: text }, ["key", "value"]));
const inputField = object(
  {
    ...named,
    field: text,
    transformations: list(
      object({ type: text, subtype: text, description: text, masking: { type: "boolean" } }, ["type"]),
    ),
  },
  ["namespace", "name", "field"],
);
const schemaFields = list(object({ name: text, type: text, description: text, ordinal_position: count }, ["name"]));

const ours = JSON.parse(
  readFileSync(new URL("../src/openlineage/millwright-facets-1-0-0.json", import.meta.url), "utf8"),
) as { readonly $id: string };
const own = (name: string): object => ({ $ref: `${ours.$id}#/$defs/${name}` });

/** Facets that an event of ours may have; any other name fails. */
const runFacets = {
  parent: facet({ run, job, root: object({ run, job }) }, ["run", "job"]),
  nominalTime: facet({ nominalStartTime: time, nominalEndTime: time }, ["nominalStartTime"]),
  errorMessage: facet({ message: text, programmingLanguage: text, stackTrace: text }, [
    "message",
    "programmingLanguage",
  ]),
  processing_engine: facet({ version: text, name: text, openlineageAdapterVersion: text }, ["version"]),
  tags: facet({ tags }),
  millwright_event: own("MillwrightEventFacet"),
  millwright_run: own("MillwrightRunFacet"),
};
const jobFacets = {
  jobType: facet({ processingType: text, integration: text, jobType: text }, ["processingType", "integration"]),
  tags: facet({ tags }),
  millwright_event: own("MillwrightEventFacet"),
};
const datasetFacets = {
  schema: facet({ fields: schemaFields }),
  dataSource: facet({ name: text, uri }),
  version: facet({ datasetVersion: text }, ["datasetVersion"]),
  datasetType: facet({ datasetType: text, subType: text }, ["datasetType"]),
  documentation: facet({ description: text, contentType: text }, ["description"]),
  tags: facet({ tags }),
  lifecycleStateChange: facet(
    { lifecycleStateChange: { enum: ["ALTER", "CREATE", "DROP", "OVERWRITE", "RENAME", "TRUNCATE"] } },
    ["lifecycleStateChange"],
  ),
  columnLineage: facet(
    {
      fields: {
        type: "object",
        additionalProperties: object({ inputFields: list(inputField) }),
      },
      dataset: list(inputField),
    },
    ["fields"],
  ),
  millwright_entity: own("MillwrightEntityDatasetFacet"),
  millwright_event: own("MillwrightEventFacet"),
};
const statistics = { rowCount: count, size: count, fileCount: count };
const facets = (properties: object): object => ({ type: "object", properties, additionalProperties: false });
const dataset = (more: object): object =>
  object({ ...named, facets: facets(datasetFacets), ...more }, ["namespace", "name"]);
const told = { eventTime: time, producer: uri, schemaURL: uri };
const work = {
  job: object({ ...named, facets: facets(jobFacets) }, ["namespace", "name"]),
  inputs: list(dataset({ inputFacets: facets({ inputStatistics: facet(statistics) }) })),
  outputs: list(dataset({ outputFacets: facets({ outputStatistics: facet(statistics) }) })),
};
const event = (kind: string, properties: object, required: readonly string[]): object => ({
  ...object(
    {
      ...told,
      ...properties,
      schemaURL: { const: `https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/${kind}` },
    },
    ["eventTime", "producer", "schemaURL", ...required],
  ),
});

const schema = {
  oneOf: [
    event(
      "RunEvent",
      {
        eventType: { enum: ["START", "RUNNING", "COMPLETE", "ABORT", "FAIL", "OTHER"] },
        run: object({ runId: uuid, facets: facets(runFacets) }, ["runId"]),
        ...work,
      },
      ["run", "job"],
    ),
    { ...event("JobEvent", work, ["job"]), not: { required: ["run"] } },
    { ...event("DatasetEvent", { dataset: dataset({}) }, ["dataset"]), not: { required: ["job", "run"] } },
  ],
};

/** Whether a value is an event of OpenLineage as we write them; its `errors` say why not. */
export function openLineageValidator(): ValidateFunction {
  const ajv = new Ajv2020({ allErrors: true, strict: false });
  ajv.addFormat("uri", (value) => /^[a-z][a-z0-9+.-]*:\S+$/i.test(value) && URL.canParse(value));
  ajv.addFormat("date-time", /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:\d\d)$/);
  ajv.addFormat("uuid", /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/);
  ajv.addSchema(ours);
  return ajv.compile(schema);
}
