import { execFile, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { chown, mkdtemp, readdir, readlink, rm, writeFile } from "node:fs/promises";
import { readdirSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { freePort } from "./free-port.ts";

/** A PostgreSQL server of the test's own. */
export interface PostgresServer extends AsyncDisposable {
  readonly port: number;
  /**
   * Ends it and starts it again on the same folder and port. SIGKILL: as a crash does. SIGQUIT: "immediate", which asks nobody and writes nothing.
   * @param pauseMs How long it is away.
   */
  restart(signal: "SIGKILL" | "SIGQUIT", pauseMs?: number): Promise<void>;
  /** The address of a database on it, for `pg`. */
  readonly url: string;
}

/** The folder of the server's programs: named, on the PATH, or where Debian has it. */
function findPrograms(): string | undefined {
  const named = process.env["MILLWRIGHT_POSTGRES"];
  const debian = "/usr/lib/postgresql";
  let installed: string[] = [];
  try {
    installed = readdirSync(debian).map((version) => join(debian, version, "bin"));
  } catch {
    // It is not a Debian, or has none.
  }
  const folders = named === undefined ? ["", ...installed.toSorted().toReversed()] : [named];
  return folders.find((folder) => spawnSync(join(folder, "postgres"), ["--version"]).status === 0);
}

const programs = findPrograms();
export const hasPostgres: boolean = programs !== undefined;
export const postgresMissing: string =
  "there is no PostgreSQL: install postgresql, and name the folder of its programs in MILLWRIGHT_POSTGRES where it is elsewhere";

/** The server refuses to run as root: then it is nobody's. */
const NOBODY = 65_534;
const user = process.getuid?.() === 0 ? { uid: NOBODY, gid: NOBODY } : undefined;

/** Starts a server on a free port, in a temporary folder that goes with it. Its user is `millwright`, without a password. */
export async function startPostgres(...settings: readonly string[]): Promise<PostgresServer> {
  const directory = await mkdtemp(join(tmpdir(), "millwright-postgres-test-"));
  if (user !== undefined) await chown(directory, user.uid, user.gid);
  const data = join(directory, "data");
  const at = { ...user, cwd: directory };
  const making = ["-D", data, "-U", "millwright", "--auth=trust", "--encoding=UTF8", "--locale=C", "--no-sync"];
  await promisify(execFile)(join(programs!, "initdb"), making, at);
  const port = await freePort();
  const lines = ["listen_addresses = '127.0.0.1'", `port = ${port}`, "unix_socket_directories = ''", ...settings];
  await writeFile(join(data, "postgresql.auto.conf"), `${lines.join("\n")}\n`);
  const start = async () => {
    const child = spawn(join(programs!, "postgres"), ["-D", data], { ...at, stdio: ["ignore", "ignore", "pipe"] });
    let said = "";
    await new Promise<void>((resolve, reject) => {
      child.once("exit", (code) => reject(new Error(`postgres ended with ${code}: ${said}`)));
      child.stderr.on("data", (text: Buffer) => {
        said = (said + text.toString()).slice(-4000);
        if (said.includes("ready to accept connections")) resolve();
      });
    });
    return child;
  };
  let server = await start();
  const end = async (signal: NodeJS.Signals): Promise<void> => {
    const ended = once(server, "exit");
    server.kill(signal);
    await ended;
  };
  return {
    port,
    url: `postgres://millwright@127.0.0.1:${port}/postgres`,
    async restart(signal, pauseMs = 0) {
      await end(signal);
      await childrenGone(data);
      await new Promise((resolve) => setTimeout(resolve, pauseMs));
      server = await start();
    },
    async [Symbol.asyncDispose]() {
      await end("SIGINT");
      await rm(directory, { recursive: true, force: true, maxRetries: 20, retryDelay: 100 });
    },
  };
}

/** Processes of a server that died see it and end; until then their folder cannot be used. */
async function childrenGone(data: string): Promise<void> {
  for (;;) {
    let count = 0;
    for (const name of (await readdir("/proc")).filter((each) => /^\d+$/.test(each))) {
      const folder = await readlink(`/proc/${name}/cwd`).catch(() => "");
      if (folder === data) count++;
    }
    if (count === 0) return;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}
