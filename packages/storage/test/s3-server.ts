import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { S3 } from "@aws-sdk/client-s3";
import { vi } from "vitest";
import { freePort } from "./free-port.ts";

/** A server that speaks S3, of the test's own, and a client of AWS's for it. */
export interface S3Server extends AsyncDisposable {
  readonly endpoint: string;
  readonly client: S3;
  /** Makes a bucket of a new name. */
  bucket(): Promise<string>;
}

const python = process.env["MILLWRIGHT_PYTHON"] ?? "python3";

/** Whether a server can be started here. */
export const hasS3Server = (): boolean => spawnSync(python, ["-c", "import moto.server, moto.s3.models"]).status === 0;

export const s3Missing = `${python} cannot import moto: pip install "moto[s3]" flask flask-cors, and name that Python in MILLWRIGHT_PYTHON`;

/** Its threads do not keep the condition of a put and the put together, as S3 does: a lock does. */
const program = `
import sys, threading
from moto.server import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import run_simple
inner, lock = DomainDispatcherApplication(create_backend_app), threading.Lock()
def app(environ, start_response):
    if "HTTP_IF_MATCH" in environ or "HTTP_IF_NONE_MATCH" in environ:
        with lock:
            return list(inner(environ, start_response))
    return inner(environ, start_response)
run_simple("127.0.0.1", int(sys.argv[1]), app, threaded=True)
`;

export async function startS3Server(): Promise<S3Server> {
  const port = await freePort();
  const endpoint = `http://127.0.0.1:${port}`;
  const server: ChildProcess = spawn(python, ["-c", program, String(port)], { stdio: "ignore" });
  const client = new S3({
    endpoint,
    region: "us-east-1",
    forcePathStyle: true,
    credentials: { accessKeyId: "none", secretAccessKey: "none" },
  });
  await vi.waitFor(() => client.listBuckets(), { timeout: 100_000, interval: 200 });
  let buckets = 0;
  return {
    endpoint,
    client,
    async bucket() {
      const name = `bucket-${(buckets += 1)}`;
      await client.createBucket({ Bucket: name });
      return name;
    },
    async [Symbol.asyncDispose]() {
      client.destroy();
      if (server.exitCode !== null) return;
      const gone = once(server, "exit");
      server.kill("SIGTERM");
      await gone;
    },
  };
}
