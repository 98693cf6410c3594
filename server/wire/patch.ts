/** Bodies of PATCH that are no plain bytes (docs/file-api.md). A leaf module: it imports nothing. */

/** Pieces of offset (8 bytes), length (4 bytes), bytes; numbers are big-endian. */
export const RANGES_TYPE = 'application/vnd.coffer.ranges'
/** Of a piece, before its bytes. */
export const PIECE_HEAD_BYTES = 12
/** The offset of a piece that goes to the end, wherever that is. */
export const AT_THE_END = 0xffff_ffff_ffff_ffffn

export const ZERO_TYPE = 'application/vnd.coffer.zero+json'
export const COPY_TYPE = 'application/vnd.coffer.copy+json'
