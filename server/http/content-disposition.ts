/**
 * Content-Disposition for a download (RFC 6266): the name in ASCII for old readers, and exactly as
 * ext-value = charset "'" [ language ] "'" value-chars (RFC 8187 section 3.2.1) for the others.
 */
export function attachment(filename: string): string {
  const ascii = filename.replace(/[^\x20-\x7e]|["\\%/]/gu, '_')
  return `attachment; filename="${ascii}"; filename*=UTF-8''${extendedValue(filename)}`
}

/** attr-char leaves out what encodeURIComponent leaves in: "'", "(", ")" and "*" (RFC 8187 section 3.2.1). */
function extendedValue(value: string): string {
  return encodeURIComponent(value).replace(
    /['()*]/g,
    (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`,
  )
}
