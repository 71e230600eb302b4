// `npm start`: installs and builds what is missing, then runs the main job on real input.
// Arguments are the job's own: `npm start -- --rows 200000`.
import { existsSync } from "node:fs";
import { join } from "node:path";
import { ensureBuilt, ensureInstalled, ensureNode } from "./ensure.mjs";
import { main, root, run, ScriptError } from "./run.mjs";

await main(async () => {
  ensureNode();
  await ensureInstalled();
  await ensureBuilt();
  const job = join(root, "examples", "flight-delays", "dist", "main.js");
  if (!existsSync(job)) {
    throw new ScriptError(
      `${job} is missing after the build. Delete examples/flight-delays/dist and run npm start again.`,
    );
  }
  return run([process.execPath, job, ...process.argv.slice(2)]);
});
