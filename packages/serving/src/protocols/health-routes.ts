import { type HttpAnswer, type HttpRoute, json } from "../http/http-message.ts";
import { objectSchema } from "./signature-schemas.ts";
import type { ServerFace } from "./open-inference.ts";

/** Liveness, startup and readiness apart: a process whose models do not load is alive, and must not be restarted for it. */
export function healthRoutes(face: ServerFace): readonly HttpRoute[] {
  const route = (path: string, summary: string, member: string, is: () => boolean): HttpRoute => ({
    method: "GET",
    path,
    open: true,
    describe: () => ({ summary, answer: { "application/json": objectSchema({ [member]: "boolean" }) } }),
    handle: () => json({ [member]: is() }, is() ? 200 : 503),
  });
  return [
    route("/v2/health/live", "Whether it runs.", "live", () => true),
    route(
      "/v2/health/startup",
      "Whether the models of every endpoint were tried to load.",
      "started",
      () => face.health().started,
    ),
    route("/v2/health/ready", "Whether requests are taken.", "ready", () => face.ready),
  ];
}

/** What `/ping` answers: readiness, and with `deepPing` what every model made of its golden requests. */
export async function answerPing(face: ServerFace): Promise<HttpAnswer> {
  if (!face.ready || face.deepPing === undefined) return { status: face.ready ? 200 : 503, headers: {}, body: "" };
  const { healthy, models } = await face.deepPing();
  // Pings are open to all: which models there are is told to who calls `checkHealth`.
  return json({ healthy, models: models.length }, healthy ? 200 : 503);
}
