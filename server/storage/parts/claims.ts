/**
 * Bytes that uploads and partial writes under way are going to add to each tree, as far as is known: several at once have to
 * fit into a quota together, before they come. What becomes of them the transaction of each counts in the end.
 */
export class Claims {
  readonly #bytes = new Map<number, number>()

  of(tree: number): number {
    return this.#bytes.get(tree) ?? 0
  }

  /** So much more is claimed, or (negative) less. */
  change(tree: number, by: number): void {
    const bytes = this.of(tree) + by
    if (bytes === 0) this.#bytes.delete(tree)
    else this.#bytes.set(tree, bytes)
  }
}
