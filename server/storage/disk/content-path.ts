import { join } from 'node:path'

/**
 * Content files are named by generation alone, 1,024 to a folder and 1,024 folders to a folder: files made together
 * lie together, and no name ever comes from a client.
 */
const FAN_OUT = 1024

/** Where the content of a generation lies: content/<high>/<middle>/<generation>, in hexadecimal. */
export function contentPath(root: string, generation: number): string {
  return join(contentFolder(root, generation), hex(generation))
}

export function contentFolder(root: string, generation: number): string {
  const folder = Math.floor(generation / FAN_OUT)
  return join(root, hex(Math.floor(folder / FAN_OUT)), hex(folder))
}

interface Generations {
  readonly first: number
  readonly last: number
}

/** The generations that lie in the folder with this name. */
export function generationsIn(folder: string): Generations | undefined {
  const number = parseHex(folder)
  if (number === undefined) return undefined
  return { first: number * FAN_OUT, last: number * FAN_OUT + FAN_OUT - 1 }
}

/**
 * What a file of a folder holds, if the folder is its place: a file that somebody put elsewhere has the name of a content that
 * lies where it belongs, and must not be taken for it.
 */
export function generationOf(name: string, folder: Generations): number | undefined {
  const generation = parseHex(name)
  if (generation === undefined) return undefined
  return generation >= folder.first && generation <= folder.last ? generation : undefined
}

const HEX = /^[0-9a-f]{1,13}$/

export function parseHex(name: string): number | undefined {
  return HEX.test(name) ? Number.parseInt(name, 16) : undefined
}

function hex(number: number): string {
  return number.toString(16)
}
