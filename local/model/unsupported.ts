/** A resource of an emulated type that is not emulated itself. */
export interface UnsupportedResource {
  readonly type: string;
  readonly name: string;
  readonly reason: string;
}
