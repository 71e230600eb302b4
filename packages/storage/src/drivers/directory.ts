export {
  type DirectoryArtifactStoreOptions,
  openDirectoryArtifactStore,
} from "../artifacts/directory-artifact-store.ts";
export { type DirectoryRecordStoreOptions, openDirectoryRecordStore } from "../records/directory-record-store.ts";
