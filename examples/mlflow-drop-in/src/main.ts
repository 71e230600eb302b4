import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { openRegistryServer } from "./registry-server.ts";
import { createDeliveryService } from "./service.ts";

const [folder = "registry", python = "python3"] = process.argv.slice(2);
const script = fileURLToPath(new URL("../train.py", import.meta.url));

await using server = await openRegistryServer(folder);
const { registry, url } = server;
console.log("MLflow's tracking URI:", url);

// The script knows nothing of Millwright.
const environment = {
  ...process.env,
  MLFLOW_TRACKING_URI: url,
  MLFLOW_DISABLE_TELEMETRY: "true",
  NO_PROXY: "127.0.0.1",
};
await promisify(execFile)(python, [script], { env: environment });

// Node finds what it logged, …
const { runs } = await registry.searchRuns({
  experiments: ["delivery time"],
  filter: "metrics.error < 10 AND params.kind = 'line'",
  orderBy: ["metrics.error"],
});
for (const { name, metrics, params } of runs)
  console.log(name, "-", params["deliveries"], "used, error", metrics["error"]?.toFixed(2));

// … decides about it, …
const best = (await registry.versions("delivery")).findLast(({ runId }) => runId === runs[0]?.id);
if (best === undefined) throw new TypeError("The script registered no model of its best run.");
if (best.approval === "pending") await registry.approve("delivery", best.version, { status: "approved", by: "ann" });
await registry.setAlias("delivery", "champion", best.version, { by: "ann" });

// … and serves it.
const service = createDeliveryService(registry);
const { minutes, version } = await service.minutes(10);
console.log(`10 km: ${minutes.toFixed(1)} minutes, version ${version}`);
const made = await registry.lineage({ kind: "model", id: best.digest }, { direction: "ancestors", kinds: ["run"] });
console.log("made by the run", made.map(({ entity }) => entity.id).join(", "));
