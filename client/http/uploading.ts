/** How many bytes of contents under way connections have taken. Only an answer tells that they have arrived. */
export interface Uploading {
  bytes: number
}
