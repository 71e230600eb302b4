import { readSeries } from "../tracking/run-records.ts";
import { listed, offsetOf, tokenOf } from "./page-token.ts";
import type { MlflowRoute, MlflowScope } from "./route.ts";
import { runOf, wireDouble } from "./run-answers.ts";
import { runId, runResource } from "./run-fields.ts";
import { pageSize } from "./validation.ts";

export function metricHistoryRoutes({ database }: MlflowScope): readonly MlflowRoute[] {
  const { read } = database;
  return [
    {
      method: "GET",
      path: "/metrics/get-history",
      summary: "Every point of a metric of a run.",
      fields: {
        "run_id!": "text",
        run_uuid: "text",
        "metric_key!": "text",
        max_results: "integer",
        page_token: "text",
      },
      action: "read",
      resource: runResource,
      async answer({ fields }) {
        const key = fields.text("metric_key");
        const offset = offsetOf(fields.optionalText("page_token"));
        const { id } = await runOf(read, runId(fields));
        const { steps, timesMs, values } = await readSeries(read, id, key);
        const size = pageSize(fields.optionalInteger("max_results"), Math.max(steps.length, 1), 50_000_000);
        const end = Math.min(offset + size, steps.length);
        const metrics: object[] = [];
        for (let index = offset; index < end; index += 1)
          metrics.push({
            key,
            value: wireDouble(values[index] as number),
            timestamp: Math.trunc(timesMs[index] as number),
            step: steps[index],
          });
        return { ...listed("metrics", metrics), ...(end < steps.length ? { next_page_token: tokenOf(end) } : {}) };
      },
    },
  ];
}
