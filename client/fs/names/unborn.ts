import type { KnownNode } from '../content/nodes.js'

/** New files that the server has not heard of yet, by where they will stand. */
export class Unborn {
  readonly #directories = new Map<number, Map<string, KnownNode>>()

  at(directory: number, name: string): KnownNode | undefined {
    return this.#directories.get(directory)?.get(name)
  }

  add(directory: number, name: string, node: KnownNode): void {
    const names = this.#directories.get(directory) ?? new Map<string, KnownNode>()
    names.set(name, node)
    this.#directories.set(directory, names)
  }

  remove(directory: number, name: string): void {
    const names = this.#directories.get(directory)
    names?.delete(name)
    if (names?.size === 0) this.#directories.delete(directory)
  }

  /** Sends the file that is to stand at a place, if there is one. */
  async send(directory: number, name: string): Promise<void> {
    await this.at(directory, name)?.content?.flush()
  }

  /** Sends all files that are to stand in a directory. */
  async sendAll(directory: number): Promise<void> {
    const names = this.#directories.get(directory)
    if (names === undefined) return
    await Promise.all([...names.values()].map((node) => node.content?.flush()))
  }

  /** Whether any file is to stand in a directory: then its times are still to change. */
  areIn(directory: number): boolean {
    return this.#directories.has(directory)
  }
}
