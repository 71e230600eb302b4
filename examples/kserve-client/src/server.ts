import fastify from "fastify";
import { linearRuntime, openDirectoryModelSource } from "@millwright/model";
import { listen, openModelServer } from "@millwright/serving";
import { readFlowers } from "./flowers.ts";
import { trainModel } from "./train.ts";

// Its own process: fits the model into the folder, serves it, says where, and leaves when it is told to.
const folder = process.argv[2] ?? "models";
await trainModel(folder, (await readFlowers()).train);
const server = await openModelServer({
  source: openDirectoryModelSource(folder),
  runtimes: [linearRuntime()],
  endpoints: { iris: { variants: { main: { model: "iris/1", weight: 1 } } } },
});
const app = fastify();
await app.register(server.fastify);
const leave = async (): Promise<void> => {
  await server.drain();
  await app.close();
};
process.once("SIGTERM", () => void leave());
// The process that started it is gone.
process.once("disconnect", () => void leave());
process.send?.(await listen(app, { port: 0 }));
