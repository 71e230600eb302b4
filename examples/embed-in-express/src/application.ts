import express, { type Express } from "express";
import { linearRuntime, openDirectoryModelSource } from "@millwright/model";
import { type ModelServer, openModelServer } from "@millwright/serving";
import { apiKeys, hashApiKey } from "@millwright/serving/auth";

export interface Application {
  readonly app: Express;
  readonly server: ModelServer;
  /** Lines of the application's own access log. */
  readonly log: readonly string[];
}

/** An application that was there before, with a model at `/ml`. */
export async function createApplication(folder: string, key: string): Promise<Application> {
  const server = await openModelServer({
    source: openDirectoryModelSource(folder),
    runtimes: [linearRuntime()],
    endpoints: { iris: { variants: { main: { model: "iris/1", weight: 1 } } } },
    authenticate: apiKeys({ keys: [{ sha256: hashApiKey(key), principal: "greenhouse" }] }),
  });
  const log: string[] = [];
  const app = express();
  app.use((request, response, next) => {
    response.on("finish", () => log.push(`${request.method} ${request.originalUrl} ${response.statusCode}`));
    next();
  });
  app.get("/", (_request, response) => {
    response.type("text").send("The greenhouse.\n");
  });
  // The model, before the parsers of the application: it reads bodies itself.
  app.use("/ml", server.node);
  app.use(express.json());
  // The application's own route asks the model without HTTP.
  app.post("/flowers", async (request, response) => {
    const { outputs, provenance } = await server.predict("iris", {
      instances: [request.body as Record<string, number>],
    });
    response.json({
      probabilities: Array.from(Object.values(outputs)[0]?.data ?? [], Number),
      model: provenance.model,
    });
  });
  return { app, server, log };
}
