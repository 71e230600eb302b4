// The binding that @millwright/storage uses, by itself.
import { createRequire } from "node:module";

const require = createRequire(new URL("../../packages/storage/package.json", import.meta.url));
const { DatabaseSync } = require("@photostructure/sqlite");

export const openDatabase = (path) => new DatabaseSync(path);
