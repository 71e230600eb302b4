import { openRegistry } from "@millwright/registry";
import { openMemoryArtifactStore, openPostgres } from "@millwright/storage";
import fastify from "fastify";
import pg from "pg";
import { expect, test } from "vitest";
import { hasPostgres, postgresMissing, startPostgres } from "../../storage/test/postgres-server.ts";
import { createMlflowServer } from "../src/mlflow.ts";
import { recorded, replay } from "./mlflow-replay.ts";
import { openWorkshop } from "./workshop.ts";

const isWanted = hasPostgres || process.env["CI"] === "true";

test(
  "on PostgreSQL an MLflow 3 client is answered as by MLflow's own server",
  { timeout: 600_000 },
  async (context) => {
    context.skip(!isWanted, `${postgresMissing} (MILLWRIGHT_POSTGRES)`);
    await using server = await startPostgres("fsync = off");
    await using workshop = await openWorkshop();
    const pool = new pg.Pool({ connectionString: server.url });
    // The server goes before the pool has noticed that it is no longer asked.
    pool.on("error", () => {});
    const app = fastify({ forceCloseConnections: true });
    {
      await using database = await openPostgres({ pool });
      const artifacts = openMemoryArtifactStore();
      await using registry = await openRegistry({ database, artifacts, directory: workshop.folder });
      await app.register(createMlflowServer({ registry, database, artifacts }).fastify);
      const routes = await replay(await app.listen({ port: 0, host: "127.0.0.1" }), await recorded(3));
      expect(routes.size).toBeGreaterThanOrEqual(49);
      await app.close();
    }
    await pool.end();
  },
);
