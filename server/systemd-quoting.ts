/** How units of systemd write what would mean something else to it. */

/** man 5 systemd.service, "Command lines". The program is no place for variables: there "$" has no special meaning. */
export function quotedCommand([program = '', ...parameters]: readonly string[]): string {
  return [quoted(program), ...parameters.map((each) => quoted(each).replaceAll('$', '$$$$'))].join(
    ' ',
  )
}

/** man 5 systemd.exec, "Environment=", and settings that list paths: backslashes and quotes escaped, "%" doubled. A line ends at its end, quoted or not. */
export function quoted(text: string): string {
  const quotable = text.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n')
  return `"${withoutSpecifiers(quotable)}"`
}

/** Words for people on one line; a backslash at the end would join the next. */
export function described(text: string): string {
  return withoutSpecifiers(text.replaceAll('\n', '?').replace(/\\$/, '\\/'))
}

/** man 5 systemd.unit, "Specifiers" */
export function withoutSpecifiers(text: string): string {
  return text.replaceAll('%', '%%')
}
