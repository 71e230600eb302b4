interface S3CallOptions {
  readonly abortSignal?: AbortSignal;
}

interface Place {
  readonly Bucket: string;
  readonly Key: string;
}

interface PartPlace extends Place {
  readonly UploadId: string;
}

interface ObjectFacts {
  readonly ContentLength?: number | undefined;
  readonly ETag?: string | undefined;
  readonly LastModified?: Date | undefined;
}

interface Part {
  readonly PartNumber?: number | undefined;
  readonly ETag?: string | undefined;
  readonly Size?: number | undefined;
}

interface WrittenObject {
  readonly ETag?: string | undefined;
}

/** What is used of an `S3` of `@aws-sdk/client-s3`. */
export interface S3Client {
  putObject(
    input: Place & {
      readonly Body: Uint8Array;
      readonly ContentLength: number;
      readonly IfMatch?: string;
      readonly IfNoneMatch?: string;
    },
    options?: S3CallOptions,
  ): Promise<WrittenObject>;
  getObject(
    input: Place & { readonly Range?: string; readonly IfMatch?: string },
    options?: S3CallOptions,
  ): Promise<ObjectFacts & { readonly Body?: { transformToWebStream(): unknown } | undefined }>;
  headObject(input: Place, options?: S3CallOptions): Promise<ObjectFacts>;
  deleteObject(input: Place, options?: S3CallOptions): Promise<unknown>;
  listObjectsV2(
    input: { readonly Bucket: string; readonly Prefix: string; readonly ContinuationToken?: string },
    options?: S3CallOptions,
  ): Promise<{
    readonly Contents?:
      | readonly {
          readonly Key?: string | undefined;
          readonly Size?: number | undefined;
          readonly LastModified?: Date | undefined;
        }[]
      | undefined;
    readonly NextContinuationToken?: string | undefined;
  }>;
  copyObject(
    input: Place & { readonly CopySource: string; readonly MetadataDirective: "REPLACE" },
    options?: S3CallOptions,
  ): Promise<unknown>;
  createMultipartUpload(input: Place, options?: S3CallOptions): Promise<{ readonly UploadId?: string | undefined }>;
  uploadPart(
    input: PartPlace & { readonly PartNumber: number; readonly Body: Uint8Array; readonly ContentLength: number },
    options?: S3CallOptions,
  ): Promise<WrittenObject>;
  uploadPartCopy(
    input: PartPlace & { readonly PartNumber: number; readonly CopySource: string; readonly CopySourceRange: string },
    options?: S3CallOptions,
  ): Promise<{ readonly CopyPartResult?: WrittenObject | undefined }>;
  listParts(
    input: PartPlace & { readonly PartNumberMarker?: string },
    options?: S3CallOptions,
  ): Promise<{
    readonly Parts?: readonly Part[] | undefined;
    readonly IsTruncated?: boolean | undefined;
    readonly NextPartNumberMarker?: string | undefined;
  }>;
  completeMultipartUpload(
    input: PartPlace & { readonly MultipartUpload: { readonly Parts: { PartNumber: number; ETag: string }[] } },
    options?: S3CallOptions,
  ): Promise<unknown>;
  abortMultipartUpload(input: PartPlace, options?: S3CallOptions): Promise<unknown>;
  listMultipartUploads(
    input: {
      readonly Bucket: string;
      readonly Prefix: string;
      readonly KeyMarker?: string;
      readonly UploadIdMarker?: string;
    },
    options?: S3CallOptions,
  ): Promise<{
    readonly Uploads?:
      | readonly {
          readonly Key?: string | undefined;
          readonly UploadId?: string | undefined;
          readonly Initiated?: Date | undefined;
        }[]
      | undefined;
    readonly IsTruncated?: boolean | undefined;
    readonly NextKeyMarker?: string | undefined;
    readonly NextUploadIdMarker?: string | undefined;
  }>;
}
