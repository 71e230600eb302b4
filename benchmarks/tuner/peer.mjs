// Optimisers in another process, over JSON lines.
import { spawn } from "node:child_process";
import { createInterface } from "node:readline";

/**
 * @param python The interpreter that has the library.
 * @param name "optuna:default", "optuna:gp", "hebo", …; with a pruner, "optuna:default+hyperband".
 */
export function startPeer(python, name) {
  const [optimiser, pruner] = name.split("+");
  const [library, sampler = "default"] = optimiser.split(":");
  const child = spawn(python, [new URL("peers/peer.py", import.meta.url).pathname], {
    stdio: ["pipe", "pipe", process.env.PEER_VERBOSE === undefined ? "ignore" : "inherit"],
    env: { ...process.env, OMP_NUM_THREADS: "1", OPENBLAS_NUM_THREADS: "1", MKL_NUM_THREADS: "1" },
  });
  const waiting = [];
  createInterface({ input: child.stdout }).on("line", (line) => waiting.shift()?.resolve(JSON.parse(line)));
  child.on("exit", (code) => {
    for (const { reject } of waiting.splice(0)) reject(new Error(`The peer ended with ${code}.`));
  });
  const request = async (body) => {
    const reply = await new Promise((resolve, reject) => {
      waiting.push({ resolve, reject });
      child.stdin.write(`${JSON.stringify(body)}\n`);
    });
    if (reply.error !== undefined) throw new Error(reply.error);
    return reply;
  };
  let studies = 0;
  return {
    name,
    versions: () => request({ op: "versions", library }),
    async open(task, { seed, trials }) {
      studies += 1;
      const study = studies;
      const { space, objectives = 1, epochs: steps } = task;
      let cpuMs = 0;
      const counted = async (body) => {
        const reply = await request({ study, ...body });
        cpuMs += reply.cpuMs;
        return reply;
      };
      await request({
        op: "open",
        study,
        library,
        sampler,
        pruner,
        space,
        objectives,
        seed: seed + 1000,
        trials,
        steps,
      });
      return {
        ask: () => counted({ op: "ask" }),
        report: async (number, step, value) =>
          (await counted({ op: "report", number, step, value })).prune ? "prune" : "continue",
        tell: (number, values) => counted({ op: "tell", number, values }),
        fill: (made) => request({ op: "fill", study, trials: made }),
        close: () => request({ op: "close", study }),
        cpuMs: () => cpuMs,
      };
    },
    stop: () => child.stdin.end(),
  };
}
