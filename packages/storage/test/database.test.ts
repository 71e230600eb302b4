import { databaseSuite } from "./database-suite.ts";
import { sqlite } from "./engines.ts";
import { eventLogSuite } from "./event-log-suite.ts";
import { migrationsSuite } from "./migrations-suite.ts";
import { writeOrderSuite } from "./write-order-suite.ts";

databaseSuite(sqlite);
writeOrderSuite(sqlite);
eventLogSuite(sqlite);
migrationsSuite(sqlite);
