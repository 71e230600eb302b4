import { join } from "node:path";
import fastify from "fastify";
import { fitLinear, packFitted } from "@millwright/algorithms";
import { datasetOf } from "@millwright/data";
import { linearRuntime, openDirectoryModelSource } from "@millwright/model";
import { listen, openModelServer } from "@millwright/serving";
import { readFlights } from "./flights.ts";

// Somebody else's server, in another process: fits the model, serves it, and says where.
const folder = process.argv[2] ?? "models";
const train = datasetOf([(await readFlights()).train]);
const fitted = await fitLinear(train, { label: "late", task: "binary" });
await packFitted(join(folder, "late", "1"), fitted, { name: "late", train });
const server = await openModelServer({
  source: openDirectoryModelSource(folder),
  runtimes: [linearRuntime()],
  endpoints: { late: { variants: { main: { model: "late/1", weight: 1 } } } },
});
const app = fastify();
await app.register(server.fastify);
process.once("disconnect", () => process.exit());
process.send?.(await listen(app, { port: 0 }));
