import type { Fields } from "./fields.ts";
import type { MlflowRoute } from "./route.ts";

/** The run that a request speaks of: `run_uuid` is its old name. */
export const runId = (fields: Fields): string =>
  fields.optionalText("run_id") || fields.optionalText("run_uuid") || fields.text("run_id");

/** What access to a run is asked for as. */
export const runResource: MlflowRoute["resource"] = ({ fields }) =>
  `run/${fields.optionalText("run_id") ?? fields.optionalText("run_uuid") ?? "*"}`;
