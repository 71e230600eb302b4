import { z } from "zod";
import type { JsonObject } from "./json.ts";
import { zodSchemas } from "./zod-schemas.ts";

/** JSON Schemas (draft 2020-12) of what outlives the process, for readers in other languages; made from what the parsers use. */
export interface JsonSchemas {
  readonly modelManifest: JsonObject;
  readonly datasetRef: JsonObject;
  readonly event: JsonObject;
  readonly jobHistory: JsonObject;
}

const made = new Map<string, JsonObject>();

function schemaOf(name: keyof JsonSchemas): JsonObject {
  const known = made.get(name);
  if (known !== undefined) return known;
  const options = { target: "draft-2020-12", io: "input" } as const;
  const schema = JSON.parse(JSON.stringify(z.toJSONSchema(zodSchemas[name], options))) as JsonObject;
  made.set(name, schema);
  return schema;
}

/** Each is made when it is first asked for. */
export const jsonSchemas: JsonSchemas = {
  get modelManifest() {
    return schemaOf("modelManifest");
  },
  get datasetRef() {
    return schemaOf("datasetRef");
  },
  get event() {
    return schemaOf("event");
  },
  get jobHistory() {
    return schemaOf("jobHistory");
  },
};
