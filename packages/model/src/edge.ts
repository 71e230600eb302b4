export { type EdgeExport, type EdgeOptions, type EdgeSizes, exportEdge } from "./edge/export-edge.ts";
