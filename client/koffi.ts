import { createRequire } from 'node:module'

/** The part of koffi 3 that we use. */
export interface Koffi {
  /** Null: the C library that the process has anyway. */
  load(library: string | null): { func(prototype: string): NativeFunction }
  address(buffer: Buffer): bigint
}

export interface NativeFunction {
  (...args: unknown[]): unknown
  async(...args: unknown[]): void
}

/** Not an import: the package is optional, and what is not installed has no types to compile with. */
export function koffi(): Koffi {
  try {
    return createRequire(import.meta.url)('koffi')
  } catch (cause) {
    throw new Error('the package koffi is not installed', { cause })
  }
}
