/** Bytes of a KiB and of a MiB. */
export const KIB = 1024;
export const MIB = 1024 * KIB;
