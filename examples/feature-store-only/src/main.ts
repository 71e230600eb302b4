// node dist/main.js [folder] [port]
import { createShop } from "./app.ts";

const [folder = "features", port = "8080"] = process.argv.slice(2);
const app = await createShop(folder);
console.log(`${await app.listen({ port: Number(port) })}/features/services/checkout/read`);
for (const signal of ["SIGINT", "SIGTERM"]) process.once(signal, () => void app.close());
