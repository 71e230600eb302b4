// Stands between a client and a real MLflow server, and writes what they say to each other to a file, for `mlflow-wire.test.ts`:
//
//     node record.mjs <address of the server> <port to listen on> <file>
//
// One line per exchange: [method, url, status, body of the request, body of the answer]. JSON stands as it is, other bytes
// as base64. It ends, and writes, on SIGTERM.
import { writeFileSync } from "node:fs";
import { createServer } from "node:http";

const [target, port, file] = process.argv.slice(2);
const exchanges = [];

async function bytesOf(stream) {
  const chunks = [];
  for await (const chunk of stream) chunks.push(chunk);
  return Buffer.concat(chunks);
}

function bodyOf(bytes, type = "") {
  if (bytes.length === 0) return null;
  if (!type.includes("json")) return { base64: bytes.toString("base64") };
  try {
    return JSON.parse(bytes.toString("utf8"));
  } catch {
    return { base64: bytes.toString("base64") };
  }
}

const server = createServer(async (request, response) => {
  const body = await bytesOf(request);
  const { "user-agent": agent = "", "content-type": type, authorization } = request.headers;
  const headers = Object.fromEntries(
    Object.entries({ "user-agent": agent, "content-type": type, authorization }).filter(
      ([, value]) => value !== undefined,
    ),
  );
  const isSent = !["GET", "HEAD"].includes(request.method) && body.length > 0;
  const answer = await fetch(target + request.url, {
    method: request.method,
    headers,
    ...(isSent ? { body } : {}),
  });
  const bytes = Buffer.from(await answer.arrayBuffer());
  const answered = answer.headers.get("content-type") ?? "";
  const isFile =
    request.method === "PUT" || (request.method === "GET" && request.url.includes("/mlflow-artifacts/artifacts/"));
  exchanges.push([
    request.method,
    request.url,
    answer.status,
    bodyOf(body, request.method === "PUT" ? "" : type),
    bodyOf(bytes, isFile && request.method === "GET" ? "" : answered),
  ]);
  response.writeHead(answer.status, { "content-type": answered, "content-length": bytes.length });
  response.end(bytes);
});
server.listen(Number(port), "127.0.0.1");
process.on("SIGTERM", () => {
  writeFileSync(file, exchanges.map((each) => `${JSON.stringify(each)}\n`).join(""));
  process.exit(0);
});
