export { openS3ArtifactStore, type S3ArtifactStoreOptions } from "../s3/s3-artifact-store.ts";
export type { S3Client } from "../s3/s3-client.ts";
export { openS3RecordStore, type S3RecordStoreOptions } from "../s3/s3-record-store.ts";
